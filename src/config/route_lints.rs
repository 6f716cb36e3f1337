//! Warnings about what a single route matches and answers.

use super::lints::{Lint, Mend};

pub static COLON_SEGMENT: Lint = Lint {
    name: "colon-segment",
    summary: "a segment of a path is written `:name`, which stands for itself",
    manual: "In other languages `/user/:id` takes every user. Here `:` is a letter like any other, so the route takes the one \
             path with a colon in it; one segment of any name is written `{id}`. Silence it where the colon is meant.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - { match: { path: \"/user/:id\" }, upstream: app }\n",
    mend: Mend::Write("/user/:id", "/user/{id}"),
};

pub static LITERAL_VARIABLE: Lint = Lint {
    name: "literal-variable",
    summary: "a variable is written in a way or at a place that inserts none",
    manual: "`{{` is a brace, so `{{ client_ip }}` goes out as `{ client_ip }`; `%{client_ip}` sends the `%` as well; and the \
             `body` of `respond` is fixed text. A variable of a request is written `{client_ip}`, in `headers`, `rewrite` and \
             `redirect`. Of bodies only names that are nothing else are looked at, such as `{client_ip}` and `{header.X-A}`. \
             Silence it where the text is to arrive as it is written.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - match: { path: /* }\n    \
                  upstream: app\n    \
                  headers:\n      \
                    request: { set: { X-Client: \"{{ client_ip }}\" } }\n",
    mend: Mend::Write("{{ client_ip }}", "{client_ip}"),
};

pub static LONE_SLASH: Lint = Lint {
    name: "lone-slash",
    summary: "a path ends in `/`, and no route takes what is below it",
    manual: "In nginx `location /api/` takes everything that starts so. Here `/api/` is this one path: `/api/users` goes to \
             another route, or is answered 404. Everything below is `/api/*`. Only routes to an upstream are looked at, \
             and none beside which another route takes `/api` or what is below. Silence it where the one path is meant.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - { match: { path: /api/ }, upstream: app }\n",
    mend: Mend::Write("/api/", "/api/*"),
};

pub static UNKNOWN_METHOD: Lint = Lint {
    name: "unknown-method",
    summary: "a method looks like another one misspelt",
    manual: "Methods are any word, since there are more than anyone can list, and a request with the usual spelling is \
             answered 405. Silence it where clients of yours use such a method.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - { match: { path: /*, methods: [GTE] }, upstream: app }\n",
    mend: Mend::Write("GTE", "GET"),
};

pub static UNUSED_ERROR_PAGE: Lint = Lint {
    name: "unused-error-page",
    summary: "an error page is for statuses that only an endpoint answers, and does not intercept them",
    manual: "Without `intercept` a page takes the place of the gateway's own errors alone, and on a route with an upstream \
             these are 400, 408, 413, 417, 500, 502, 503 and 504: no other status ever shows it. What an endpoint answers, \
             such as a 404, goes through untouched. Silence it where `intercept` is to be switched on later.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - match: { path: /* }\n    \
                  upstream: app\n    \
                  errors:\n      \
                    - { status: [404], respond: { body: \"not here\\n\" } }\n",
    mend: Mend::Write("status: [404],", "status: [404], intercept: true,"),
};
