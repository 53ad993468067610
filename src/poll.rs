//! To look at something again and again until a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The looks that there may be: the first at once, the last at the deadline.
///
/// ```text
/// let mut looks = Looks::every(PAUSE, deadline);
/// while looks.next().await {
///     if is_there().await? { return Ok(()) }
/// }
/// bail!("time ran out")
/// ```
#[derive(Debug)]
pub struct Looks {
    deadline: Instant,
    pause: Duration,
    longest: Duration,
    has_begun: bool,
}

impl Looks {
    /// Looks with the same pause between any two.
    #[must_use]
    pub fn every(pause: Duration, deadline: Instant) -> Self {
        Self::growing(pause, pause, deadline)
    }

    /// Looks with pauses that grow, by half each: most of what is waited for takes little time.
    #[must_use]
    pub fn growing(first: Duration, longest: Duration, deadline: Instant) -> Self {
        Self { deadline, pause: first, longest, has_begun: false }
    }

    /// Waits until it is time to look. False: the look at the deadline was the last.
    pub async fn next(&mut self) -> bool {
        if !self.has_begun {
            self.has_begun = true;
            return true;
        }
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        sleep_until((now + self.pause).min(self.deadline)).await;
        self.pause = (self.pause * 3 / 2).min(self.longest);
        true
    }
}

/// How long the other side may be out of sight before whoever waits for something there gives up.
#[derive(Debug)]
pub struct Sight {
    longest: Duration,
    last: Instant,
}

impl Sight {
    /// It was seen just now, and may be out of sight for so long.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self { longest, last: Instant::now() }
    }

    /// What was seen, if anything was.
    ///
    /// # Errors
    /// When nothing was seen for too long: why it was not just now.
    pub fn seen<T, E>(&mut self, looked: Result<T, E>) -> Result<Option<T>, E> {
        match looked {
            Ok(seen) => {
                self.last = Instant::now();
                Ok(Some(seen))
            }
            Err(error) if self.last.elapsed() >= self.longest => Err(error),
            Err(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(2);

    async fn count(mut looks: Looks) -> usize {
        let mut count = 0;
        while looks.next().await {
            count += 1;
        }
        count
    }

    #[tokio::test]
    async fn there_is_a_look_at_once_and_one_at_the_deadline() {
        let now = Instant::now();
        assert_eq!(count(Looks::every(PAUSE, now)).await, 1, "also where time is over already");
        assert_eq!(count(Looks::every(Duration::from_hours(1), now + PAUSE)).await, 2, "no pause is longer than that");
        assert!(Instant::now() >= now + PAUSE);
    }

    #[tokio::test]
    async fn between_the_first_and_the_last_there_are_more() {
        let mut looks = Looks::every(PAUSE, Instant::now() + Duration::from_hours(1));
        for _ in 0..4 {
            assert!(looks.next().await);
        }
    }

    #[tokio::test]
    async fn pauses_grow_by_half_up_to_the_longest() {
        let mut looks = Looks::growing(PAUSE, PAUSE * 2, Instant::now() + Duration::from_mins(1));
        let mut pauses = Vec::new();
        for _ in 0..4 {
            assert!(looks.next().await);
            pauses.push(looks.pause);
        }
        assert_eq!(pauses, [PAUSE, PAUSE * 3 / 2, PAUSE * 2, PAUSE * 2]);
    }

    #[test]
    fn what_is_out_of_sight_for_too_long_is_given_up() {
        let mut patient = Sight::new(Duration::from_hours(1));
        assert_eq!((patient.seen(Ok::<_, &str>(1)), patient.seen(Err::<u8, _>("gone"))), (Ok(Some(1)), Ok(None)));
        let mut impatient = Sight::new(Duration::ZERO);
        assert_eq!(
            (impatient.seen(Ok::<_, &str>(1)), impatient.seen(Err::<u8, _>("gone"))),
            (Ok(Some(1)), Err("gone"))
        );
    }
}
