//! The README's pictures tell what the program prints today. Where this fails, `make pictures` draws them anew.

use std::path::Path;

use crate::support::program::DrillFixture;

/// The texts of a picture, in order.
fn texts(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/pictures/{name}.svg"));
    let picture = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        !["url(", "@font-face", "@import", "href"].iter().any(|word| picture.contains(word)),
        "{name} asks for more"
    );
    let texts = picture.split("<text ").skip(1).filter_map(|text| text.split_once('>')?.1.split_once("</text>"));
    let texts: Vec<_> = texts.map(|(text, _)| text).collect();
    texts.join(" ").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

/// The words of a text without what differs from day to day: numbers, how long ago, and how a line is broken.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        if !c.is_ascii_digit() {
            shape.push(c);
        } else if !shape.ends_with('0') {
            shape.push('0');
        }
    }
    let words: Vec<_> = shape.split_whitespace().collect();
    let shape = words.join(" ");
    ["hours", "hour", "days", "day", "minutes"]
        .iter()
        .fold(shape, |shape, unit| shape.replace(&format!("0 {unit} ago"), "AGO"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_picture_shows_what_the_program_prints() {
    let fixture = DrillFixture::open(&[]).await;
    let address = |text: &str| {
        let platform = fixture.drill.environment().into_iter().find(|(name, _)| name == "FIREBREAK_PLATFORM");
        text.replace("http://MARATHON", &platform.expect("a platform").1.replace("marathon+", ""))
    };
    let commands = [
        ("look", "get --repo=orders,users --env=develop --running=dev"),
        ("plan", "run --date=DAY --env=dev --check"),
        ("report", "run --date=DAY --env=dev --yes"),
    ];
    for (name, words) in commands {
        let output = fixture.run(words).await;
        assert_eq!(output.code, 0, "{output:?}");
        let stdout = output.stdout.trim_end();
        // Of a look the days alone, and where they were written.
        let stdout = if name == "look" {
            let days = stdout.split("\n\n").next().unwrap_or_default();
            format!("{days}\n…\n{}", stdout.lines().last().unwrap_or_default())
        } else {
            stdout.to_owned()
        };
        let printed = format!("$ rollback_service {words}\n{stdout}").replace("DAY", &fixture.day());
        assert_eq!(shape(&texts(name)), shape(&address(&printed)), "{name}: `make pictures` draws it anew");
        assert!(letters_on_a_phone(name) >= 10.0, "{name}: {} pixels", letters_on_a_phone(name));
        if name == "look" {
            // The others are of all services.
            fixture.look().await;
        }
    }
}

/// How high a letter of a picture is on a screen that is 390 pixels wide.
fn letters_on_a_phone(name: &str) -> f64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/pictures/{name}.svg"));
    let picture = std::fs::read_to_string(path).expect("a picture");
    let box_of = picture.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a width");
    let height = picture.split("font-size: ").nth(1).and_then(|rest| rest.split("px").next()).expect("a size");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    number(height) * 390.0 / number(box_of)
}
