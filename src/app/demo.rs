//! The demo registry that is part of the program: `config/demo`, served when no source is named.

use include_dir::{Dir, include_dir};

use switchboard_registry::Files;

static DEMO: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/demo");

/// Its files.
pub fn files() -> Files {
    Files::from_embedded(&DEMO)
}
