//! The page of the console: its frame, and the policy of what it may load. Modules of JavaScript draw the views.

use std::sync::LazyLock;

use hyper::header::HeaderValue;
use maud::{DOCTYPE, PreEscaped, html};
use serde_json::{Map, Value, json};

use super::assets::{Asset, modules, path_of};

/// The views, by the names in the fragment of the URL, with their titles.
const VIEWS: [(&str, &str); 5] =
    [("now", "Now"), ("ask", "Ask"), ("map", "Map"), ("accounts", "Accounts"), ("compare", "Compare")];

/// The page with its policy.
pub(super) struct Page {
    pub(super) html: Asset,
    /// The value of `Content-Security-Policy`.
    pub(super) policy: HeaderValue,
}

/// Returns the page, which is the same for every request.
pub(super) fn page() -> &'static Page {
    static PAGE: LazyLock<Page> = LazyLock::new(render);
    &PAGE
}

fn render() -> Page {
    // Modules name each other without a digest. The map gives the names their paths.
    let imports: Map<String, Value> = modules().map(|(name, path)| (name.to_owned(), path.into())).collect();
    let import_map = json!({ "imports": imports }).to_string();
    let digest = Asset::new("import-map.json", "application/json", import_map.clone());
    let policy = format!(
        "default-src 'none'; script-src 'self' '{}'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digest.integrity()
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Switchboard" }
                link rel="icon" href=(path_of("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(path_of("uplot.css"));
                link rel="stylesheet" href=(path_of("style.css"));
                link rel="stylesheet" href=(path_of("map.css"));
                script type="importmap" { (PreEscaped(&import_map)) }
                @for (name, path) in modules() {
                    @if name != "uplot" { link rel="modulepreload" href=(path); }
                }
                script type="module" src=(path_of("app.js")) {}
            }
            body {
                a.skip href="#view" { "Skip to the view" }
                header.bar {
                    a.brand href="#now" { "Switchboard" }
                    nav aria-label="Views" {
                        @for (name, title) in VIEWS {
                            a href={ "#" (name) } data-view=(name) { (title) }
                        }
                    }
                    div #session {}
                }
                main #view tabindex="-1" data-map=(path_of("map.html")) {
                    noscript { p { "This page needs JavaScript. " code { "switchboard status" } ", "
                        code { "switchboard explain" } " and " code { "switchboard coverage" } " show the same in a terminal." } }
                }
                footer { (concat!("Switchboard ", env!("CARGO_PKG_VERSION"))) " · "
                    a href="/openapi.json" { "description of the routes" } }
            }
        }
    };
    Page {
        html: Asset::new("console.html", "text/html; charset=utf-8", page.into_string()),
        // The policy has ASCII only.
        policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
    }
}
