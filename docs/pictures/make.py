"""Runs the commands, and takes pictures of their output with a headless Chromium. `make` in this folder calls it."""

import os
import shlex
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from ansi2html import Ansi2HTMLConverter
from PIL import Image, PngImagePlugin
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
PROGRAMS = Path("target/release").resolve()
WIDE = 920  # the width of a README, or a little more
# The pages take the reader's own font; here that is one that every Debian has.
FONT = "body, select, button { font-family: Inter !important; font-feature-settings: 'tnum'; }"

EXPLAIN = """\
switchboard explain company=acme channel=whatsapp ou=zurich phone=+436641234567 \\
    client=c-42 exclude=wa-dach-at-1,wa-dach-ch-1"""
COVERAGE = "switchboard coverage config/demo --format html -o {}"
LOAD = "loadtest run reload-storm --repeat 1 --out {}"


def run(command, **environment):
    print("$", command, flush=True)
    paths = f"{PROGRAMS}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, **environment}
    done = subprocess.run(command, shell=True, env=environment, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(done.stdout.decode() + f"{command}: failed; its picture was not changed")
    return done.stdout.decode()


def save(png, name, text=None):
    """Saves a picture with 256 colours. `text` becomes its description."""
    image = Image.open(BytesIO(png)).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    info = PngImagePlugin.PngInfo()
    if text:
        info.add_itxt("Description", text)
    path = HERE / f"{name}.png"
    image.save(path, optimize=True, pnginfo=info)
    print(f"{path}: {image.width} × {image.height}, {path.stat().st_size // 1024} KiB")


def explain(browser, _folder):
    """Shows a terminal of 80 columns. `tests/pictures` compares the text in the picture with the output of today."""
    printed = run(EXPLAIN, CLICOLOR_FORCE="1")
    colours = Ansi2HTMLConverter(inline=True, scheme="osx", dark_bg=True).convert(printed, full=False)
    page = browser.new_page(viewport={"width": WIDE, "height": 100}, device_scale_factor=2)
    page.set_content(f"""<!DOCTYPE html><meta charset="utf-8"><style>
      body {{ margin: 0; background: #14181f; color: #d5dae1; }}
      pre {{ margin: 0; padding: 20px 26px; width: 84ch; font: 16px 'DejaVu Sans Mono'; }}
    </style><pre><span style="color: #8b95a3">$</span> {EXPLAIN}\n\n{colours}</pre>""")
    pre = page.locator("pre")
    save(pre.screenshot(), "explain", pre.inner_text())


def coverage(browser, folder):
    """Shows the map of an OU with every rule, and the details of a country."""
    run(COVERAGE.format(f"{folder}/coverage.html"))
    page = opened(browser, f"{folder}/coverage.html#company=meridian&ou=nordics&channel=whatsapp&country=DZ")
    save(page.screenshot(clip=between(page, ".choose", ".both > section"), full_page=True), "coverage")


def load(browser, folder):
    """Shows the head of a load report and its timeline with each reload, without the section between them."""
    if report := os.environ.get("REPORT"):
        run(f"loadtest page {shlex.quote(report)} -o {folder}/loadtest-.html")
    else:
        run(LOAD.format(folder))
    [report] = Path(folder).glob("loadtest-*.html")
    page = opened(browser, report)
    page.locator("section", has_text="Latency by percentile").evaluate("it => it.remove()")
    course = "section:has(h2:text-is('Rate and latency over time'))"
    save(page.screenshot(clip=between(page, "header", course)), "load")


def opened(browser, path):
    page = browser.new_page(viewport={"width": WIDE, "height": 1600}, device_scale_factor=2, color_scheme="light")
    page.goto(f"file://{path}")
    page.add_style_tag(content=FONT)
    return page


def between(page, first, last, edge=16):
    """Returns the area from one element to another."""
    top, bottom = (page.locator(it).first.bounding_box() for it in (first, last))
    y = top["y"] - edge
    return {"x": 0, "y": y, "width": WIDE, "height": bottom["y"] + bottom["height"] + edge - y}


pictures = {"explain": explain, "coverage": coverage, "load": load}
with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
    # A sandbox needs another user than root.
    browser = playwright.chromium.launch(
        executable_path="/usr/bin/chromium", args=["--no-sandbox"] if os.geteuid() == 0 else []
    )
    for name in sys.argv[1:] or pictures:
        pictures[name](browser, folder)
    browser.close()
