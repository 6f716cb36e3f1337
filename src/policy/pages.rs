//! Pages in place of errors.

/// A route's pages.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    pages: Box<[Page]>,
}

/// What a client gets in place of errors with some statuses.
#[derive(Clone, Debug)]
pub struct Page {
    /// Which, in ascending order.
    pub of: Box<[u16]>,
    /// Also in place of an endpoint's response.
    pub intercept: bool,
    /// Its status; nothing for the error's.
    pub status: Option<u16>,
    /// Whole header lines.
    pub lines: Box<[u8]>,
    /// Its body; nothing for what the gateway says of its errors.
    pub body: Option<std::sync::Arc<[u8]>>,
}

impl Pages {
    /// Pages whose statuses do not overlap.
    pub fn new(pages: impl IntoIterator<Item = Page>) -> Pages {
        Pages { pages: pages.into_iter().collect() }
    }

    /// The page for a failure of the gateway's own.
    pub fn of_failure(&self, status: u16) -> Option<&Page> {
        self.pages.iter().find(|page| page.of.binary_search(&status).is_ok())
    }

    /// The page for an endpoint's response.
    pub fn of_response(&self, status: u16) -> Option<&Page> {
        self.of_failure(status).filter(|page| page.intercept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_for_its_statuses_and_for_responses_only_where_it_says_so() {
        let page =
            |of: &[u16], intercept| Page { of: of.into(), intercept, status: None, lines: [].into(), body: None };
        let pages = Pages::new([page(&[502, 504], false), page(&[404, 500], true)]);
        let intercepts = |status| pages.of_response(status).is_some();
        assert!(pages.of_failure(504).is_some() && pages.of_failure(404).is_some() && pages.of_failure(503).is_none());
        assert!(intercepts(500) && !intercepts(502) && !intercepts(503));
    }
}
