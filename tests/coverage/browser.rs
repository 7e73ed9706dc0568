//! The HTML page in Chromium: what a click selects after the map was dragged, and whether a table is cut off.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::command::coverage;

/// Shows the page in frames of three widths, drags the zoomed map in one of them, and reports what follows as JSON
/// in its own title.
const DRIVER: &str = r##"<!DOCTYPE html><title></title>
<iframe src="coverage.html#company=acme&ou=london&channel=whatsapp" width="1000" height="1400"></iframe>
<iframe src="coverage.html#company=acme&ou=london&channel=whatsapp" width="1200" height="1400"></iframe>
<iframe src="coverage.html#company=acme&ou=london&channel=whatsapp" width="1400" height="1400"></iframe>
<script>
addEventListener("load", () => {
  const windows = [...document.querySelectorAll("iframe")].map((frame) => frame.contentWindow);
  const cut = windows.map(({ document }) =>
    [...document.querySelectorAll(".wide")].filter((it) => it.scrollWidth > it.clientWidth).length);
  const page = windows[1].document;
  const $ = (selector) => page.querySelector(selector);
  const map = $(".world svg");
  const pointer = (kind, target, x, buttons) =>
    target.dispatchEvent(new windows[1].PointerEvent(kind, { clientX: x, clientY: 300, buttons, bubbles: true }));
  // `end` is the element on which the button is released. The browser then sends it a click.
  const drag = (end) => {
    pointer("pointerdown", map, 300, 1);
    for (const x of [310, 320, 340]) pointer("pointermove", end, x, 1);
    pointer("pointerup", end, 340, 0);
    click(end);
  };
  const click = (target) => target.dispatchEvent(new windows[1].MouseEvent("click", { bubbles: true }));
  const path = $(".world [data-code=FR]");
  const country = () => $("[name=country]").value;
  const seen = {};
  $(".tools button").click();
  const before = map.getAttribute("viewBox");
  drag(path);
  seen.moved = map.getAttribute("viewBox") !== before;
  seen.dragged = country();
  click($(".countries [data-code=DE]"));
  seen.row = country();
  drag(path);
  click($(".small [data-code=JE]"));
  seen.chip = country();
  drag(path);
  click(path);
  seen.map = country();
  drag(page.body);
  click($(".world [data-code=ES]"));
  seen.released_outside = country();
  pointer("pointerdown", map, 300, 1);
  const still = map.getAttribute("viewBox");
  pointer("pointermove", map, 340, 0);
  seen.released_unseen = map.getAttribute("viewBox") === still;
  document.title = JSON.stringify({ cut, seen, decision: $(".decision").textContent });
});
</script>
"##;

/// Returns what the driver reports.
fn report() -> Value {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("coverage.html"), coverage(&["--company", "acme", "--format", "html"]))
        .unwrap();
    let driver = folder.path().join("driver.html");
    fs::write(&driver, DRIVER).unwrap();
    // A sandbox needs another user than root. The frames are files, which otherwise have an origin each.
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", driver.display()))
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let (_, title) = page.split_once("<title>").unwrap_or_else(|| panic!("no title: {errors}"));
    let title = title.split_once("</title>").unwrap().0.replace("&amp;", "&");
    serde_json::from_str(&title).unwrap_or_else(|error| panic!("{error}: {page}"))
}

#[test]
#[cfg_attr(not(has_chromium), ignore = "needs chromium: apt-get install chromium")]
fn page_reacts_to_clicks_after_a_drag_and_cuts_no_table() {
    let report = report();
    let seen = json!({
        "moved": true,
        "dragged": "",
        "row": "DE",
        "chip": "JE",
        "map": "FR",
        "released_outside": "ES",
        "released_unseen": true,
    });
    assert_eq!(report["seen"], seen);
    assert_eq!(report["cut"], json!([0, 0, 0]), "tables cut off at 1000, 1200 and 1400 px");
    let decision = report["decision"].as_str().unwrap();
    assert!(decision.starts_with("Spain (ES): ") && decision.contains(", OU "), "{decision}");
}
