//! The coverage as one HTML page that needs nothing beside itself: a map of the world for the chosen company, OU and
//! channel, and a table of every country.
//!
//! The outlines stand once, and the decisions once for all OUs that decide alike; a script colours the map anew when
//! another OU is chosen. The first is in the page as it is written, so that it shows without a script as well.
//! `world.tsv` is what `world.mjs` makes of the npm package `@svg-maps/world`, under `world.LICENSE.md`.

mod chosen;
mod data;
mod world;

use std::io::{self, Write};

use maud::{DOCTYPE, PreEscaped, html};

use switchboard_pipeline::analysis::{Scoped, Survey};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page.
pub(super) fn write(out: &mut dyn Write, survey: &mut Survey<'_>, scope: &[Scoped]) -> io::Result<()> {
    let data = data::Data::of(survey, scope);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Coverage · Switchboard" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.kind { "Switchboard coverage" }
                        h1 { "Who answers, country by country" }
                        p.about {
                            "What a client of whom only the country is known is answered: by which rule, how far above "
                            "the organizational unit, from which pool."
                        }
                    }
                    (chosen::section(survey, scope))
                    footer {
                        "Map: @svg-maps/world 2.0.0 by Victor Cazanave (github.com/VictorCazanave/svg-maps), licensed "
                        "under CC BY 4.0 (creativecommons.org/licenses/by/4.0); outlines simplified, some names changed. "
                        "Borders are the map's and say nothing of anybody's claims."
                    }
                }
                script type="application/json" id="data" { (PreEscaped(data.json()?)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())
}
