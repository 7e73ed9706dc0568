//! The files that the page loads. The name of each has the digest of its content, so that a browser keeps a file for
//! ever and never shows a mix of two versions.

use std::io::Write;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

use super::map;

/// The beginning of the path of every asset.
pub(super) const ASSETS_FOLDER: &str = "/assets/";
/// Number of hexadecimal digits of a digest in the name of an asset.
const DIGEST_DIGITS: usize = 16;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the console with its compressed form.
pub(super) struct Asset {
    /// The name in the page's import map, such as `app`, or the name of a style sheet.
    name: &'static str,
    /// The path of the URL.
    path: String,
    media_type: &'static str,
    plain: Bytes,
    gzip: Bytes,
    etag: HeaderValue,
    /// The SHA-256 of the content in base64, as in the attribute `integrity`.
    integrity: String,
}

/// All files, with their names and media types.
const FILES: [(&str, &str, &str); 16] = [
    ("style.css", CSS, include_str!("assets/style.css")),
    ("uplot.css", CSS, include_str!("assets/vendor/uplot.css")),
    ("icon.svg", SVG, include_str!("assets/icon.svg")),
    ("lit-html.js", JAVASCRIPT, include_str!("assets/vendor/lit-html.js")),
    ("uplot.js", JAVASCRIPT, include_str!("assets/vendor/uplot.js")),
    ("api.js", JAVASCRIPT, include_str!("assets/api.js")),
    ("ui.js", JAVASCRIPT, include_str!("assets/ui.js")),
    ("metrics.js", JAVASCRIPT, include_str!("assets/metrics.js")),
    ("now.js", JAVASCRIPT, include_str!("assets/now.js")),
    ("ask.js", JAVASCRIPT, include_str!("assets/ask.js")),
    ("map.css", CSS, map::STYLES[1]),
    ("map.js", JAVASCRIPT, map::SCRIPT),
    ("map_view.js", JAVASCRIPT, include_str!("assets/map_view.js")),
    ("accounts.js", JAVASCRIPT, include_str!("assets/accounts.js")),
    ("compare.js", JAVASCRIPT, include_str!("assets/compare.js")),
    ("app.js", JAVASCRIPT, include_str!("assets/app.js")),
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let files = FILES.into_iter().map(|(name, media_type, text)| Asset::new(name, media_type, text.into()));
    files.chain([Asset::new("map.html", HTML, map::skeleton())]).collect()
});

impl Asset {
    /// Creates an asset with the name `name`, such as `app.js`.
    pub(super) fn new(name: &'static str, media_type: &'static str, content: String) -> Asset {
        let plain = Bytes::from(content);
        let digest = Sha256::digest(&plain);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).take(DIGEST_DIGITS / 2).collect();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        Asset {
            name,
            path: format!("{ASSETS_FOLDER}{stem}-{hex}.{extension}"),
            media_type,
            gzip: compressed(&plain),
            // Weak, because the compressed form has the same. A digest has no character that a header cannot have.
            etag: HeaderValue::from_str(&format!("W/\"{hex}\""))
                .unwrap_or(HeaderValue::from_static("W/\"\"")),
            integrity: format!("sha256-{}", STANDARD.encode(digest)),
            plain,
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn media_type(&self) -> &'static str {
        self.media_type
    }

    pub(super) fn plain(&self) -> Bytes {
        self.plain.clone()
    }

    pub(super) fn gzip(&self) -> Bytes {
        self.gzip.clone()
    }

    pub(super) fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    pub(super) fn integrity(&self) -> &str {
        &self.integrity
    }
}

/// Returns the asset whose path ends with this name, such as `app-0123456789abcdef.js`.
pub(super) fn find(file: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path.strip_prefix(ASSETS_FOLDER) == Some(file))
}

/// Returns the path of a file of the console.
pub(super) fn path_of(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", Asset::path)
}

/// Returns the modules of JavaScript with their paths, by the names that modules import.
pub(super) fn modules() -> impl Iterator<Item = (&'static str, &'static str)> {
    let modules = ASSETS.iter().filter(|asset| asset.media_type == JAVASCRIPT);
    modules.filter_map(|asset| Some((asset.name.strip_suffix(".js")?, asset.path())))
}

fn compressed(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a vector cannot fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_import_only_modules_of_the_console() {
        let names: Vec<&str> = modules().map(|(name, _)| name).collect();
        for (file, media_type, text) in FILES {
            if media_type != JAVASCRIPT || file == "uplot.js" || file == "lit-html.js" {
                continue;
            }
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let module = line.trim_end_matches(';').rsplit(' ').next().unwrap().trim_matches('"');
                assert!(names.contains(&module), "{file}: {line}");
            }
        }
    }

    #[test]
    fn everything_together_is_small() {
        let transferred: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!(transferred < 300_000, "{transferred} bytes");
    }
}
