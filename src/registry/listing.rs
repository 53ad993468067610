//! The tags of a repository: all of them, or an error.
//!
//! A registry that cuts its list says so with a `Link` to the next page. Some obey the `n` that they are asked for and
//! send no link (seen with groups of repositories), and the newest tags are those that are missing then. So where a
//! single page is as long as pages are, it is found out what the end of the list means; and where it has any other length,
//! whether something comes after its last tag.

use indexmap::IndexSet;
use reqwest::header::LINK;
use reqwest::{Method, StatusCode};
use url::Url;

use super::client::{Registry, check_name};
use super::error::RegistryError;
use super::exchange::Question;
use super::headers::{self, Next};
use super::tags::{self, Page};
use crate::http::printable;
use crate::watch::Watch;
use crate::words::counted;

/// The most tags that any registry gives at once; some refuse to be asked for more.
const IN_A_PAGE: usize = 1000;
/// Where a registry chooses the length of its pages, it is a multiple of this.
const ROUND: usize = 50;
/// No registry is known whose pages are shorter than this.
const SHORTEST_PAGE: usize = 20;
/// No repository has so many pages.
const MOST_PAGES: usize = 10_000;
/// A bound on a page, in bytes; some registries give all tags in one.
const LONGEST_PAGE: usize = 32 << 20;

/// Why a page is asked for that is not the first of all.
const TO_SEE: &str = " (to see whether the list is whole)";

/// What a list of tags came to.
struct List {
    tags: IndexSet<String>,
    pages: usize,
    /// The last page.
    end: Page,
}

impl List {
    /// Whether it may be the beginning of a list: one page, without a link to another, of a length that pages have. A
    /// group of repositories cuts each of its members, and leaves out what two of them have: its page may be longer
    /// than what was asked for, or a little shorter.
    fn may_be_cut(&self, asked: Option<usize>) -> bool {
        let long = self.end.entries;
        let is_full = asked.is_some_and(|asked| long >= asked - asked / 10);
        self.pages == 1 && long > 0 && (is_full || long.is_multiple_of(ROUND))
    }
}

/// Whose tags are listed.
struct Listing<'a> {
    registry: &'a Registry,
    repository: &'a str,
    watch: &'a dyn Watch,
}

impl Registry {
    /// All tags of a repository that can name an image, each once, in the order of the registry.
    pub(super) async fn tags(&self, repository: &str, watch: &dyn Watch) -> Result<Vec<String>, RegistryError> {
        check_name(repository)?;
        let tags = Listing { registry: self, repository, watch }.whole().await?;
        Ok(tags.into_iter().collect())
    }
}

impl Listing<'_> {
    async fn whole(&self) -> Result<IndexSet<String>, RegistryError> {
        let list = match self.list(Some(IN_A_PAGE), "").await {
            // It refuses to be asked for so many.
            Err(RegistryError::Status { status: StatusCode::BAD_REQUEST, .. }) => self.list(None, "").await?,
            list => list?,
        };
        if list.may_be_cut(Some(IN_A_PAGE)) {
            // Does the registry say so when it cuts a list? It is asked to, by one tag. Where it gives as many as before,
            // it gives all, whatever is asked for.
            let one_less = list.end.entries.min(IN_A_PAGE) - 1;
            let (less, link) = self.page(self.url(&[("n", &one_less.to_string())])?, TO_SEE).await?;
            if link.is_some() || less.entries == list.end.entries {
                return Ok(list.tags);
            }
        } else if list.pages > 1 || list.end.entries < SHORTEST_PAGE || self.ends(&list).await? {
            return Ok(list.tags);
        }
        let unbound = self.list(None, TO_SEE).await?;
        let has_all = unbound.tags.len() >= list.tags.len();
        let is_longer = unbound.end.entries > list.end.entries && !unbound.may_be_cut(None);
        let is_whole = has_all && (unbound.pages > 1 || is_longer);
        let longest = if unbound.tags.len() > list.tags.len() { unbound } else { list };
        if is_whole || self.after(&longest).await?.is_some_and(|more| more.entries == 0) {
            return Ok(longest.tags);
        }
        let came = counted(longest.end.entries, "tag");
        Err(self.paging(format!(
            "the registry cuts its lists without saying so, and {came} came: there may be more. Give the address of a \
             registry that lists them all, not that of a group of repositories"
        )))
    }

    /// Whether nothing comes after this list, as far as the registry tells: one that knows no `last` gives the same again.
    async fn ends(&self, list: &List) -> Result<bool, RegistryError> {
        Ok(self.after(list).await?.is_none_or(|more| more.entries == 0 || more.last == list.end.last))
    }

    /// What comes after the last entry; nothing where the list is in no order.
    async fn after(&self, list: &List) -> Result<Option<Page>, RegistryError> {
        let Some(tag) = &list.end.last else { return Ok(None) };
        let rest = self.url(&[("n", &IN_A_PAGE.to_string()), ("last", tag)])?;
        Ok(Some(self.page(rest, TO_SEE).await?.0))
    }

    /// The list as the registry pages it, where so many tags are asked for at once. `why`: see [`Self::page`].
    async fn list(&self, n: Option<usize>, why: &str) -> Result<List, RegistryError> {
        let first = match n {
            Some(n) => self.url(&[("n", &n.to_string())])?,
            None => self.url(&[])?,
        };
        let mut seen = std::collections::HashSet::from([first.clone()]);
        let (mut end, mut link) = self.page(first, why).await?;
        let mut tags: IndexSet<String> = end.tags.drain(..).collect();
        while let Some(next) = link {
            let url = self.at(&next)?;
            if !seen.insert(url.clone()) {
                return Err(self.paging(format!("its pages go round in a circle, by the link '{}'", printable(&next))));
            }
            if seen.len() > MOST_PAGES {
                return Err(self.paging(format!("it has more than {MOST_PAGES} pages")));
            }
            let by = format!(" (page {}, by the link '{}')", seen.len(), printable(&next));
            (end, link) = self.page(url, &by).await?;
            tags.extend(end.tags.drain(..));
        }
        Ok(List { tags, pages: seen.len(), end })
    }

    /// One page, and the link to the next as it came. `why`: what an error is to say of a page that is not the first.
    async fn page(&self, url: Url, why: &str) -> Result<(Page, Option<String>), RegistryError> {
        let task = format!("list the tags of repository '{}' of registry {}{why}", self.repository, self.registry.name);
        let question =
            Question { method: Method::GET, url, accept: None, repository: self.repository, limit: LONGEST_PAGE, task };
        let answer = self.registry.ask(&question, self.watch).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if why.is_empty() => {
                return Err(self.registry.no_such_repository(&question, &answer, self.watch).await);
            }
            _ => return Err(self.registry.refusal(&question, &answer)),
        }
        let page = tags::of_page(&answer.body).map_err(|why| question.unreadable(why))?;
        let mut next = None;
        for link in answer.headers.get_all(LINK) {
            let link = String::from_utf8_lossy(link.as_bytes());
            match headers::next_link(&link) {
                Next::None => {}
                Next::Link(link) => next = next.or(Some(link)),
                Next::Unclear => {
                    return Err(self.paging(format!("the link to its next page, '{link}', cannot be understood")));
                }
            }
        }
        Ok((page, next))
    }

    fn url(&self, query: &[(&str, &str)]) -> Result<Url, RegistryError> {
        let mut url = self.registry.url(self.repository, "tags/list")?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Where a link leads, asked at the registry itself. Behind a proxy links bear an address, a scheme and a path that
    /// are not known out here, so only where the list is another than ours the link's path counts.
    fn at(&self, link: &str) -> Result<Url, RegistryError> {
        let mut url = self.url(&[])?;
        let link = url.join(link).map_err(|error| {
            self.paging(format!("the link to its next page, '{}', is no URL ({error})", printable(link)))
        })?;
        if !link.path().ends_with("/tags/list") {
            url.set_path(link.path());
        }
        url.set_query(link.query());
        Ok(url)
    }

    fn paging(&self, why: String) -> RegistryError {
        RegistryError::Paging { registry: self.registry.name.clone(), repository: self.repository.to_owned(), why }
    }
}
