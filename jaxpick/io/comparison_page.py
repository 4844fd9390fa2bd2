"""The frame of the comparison's report: its style and the script that leafs; BODY is replaced."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>jaxpick: comparison</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1280px;
  padding: 0 1em; color: #1b1f24; background: #fff; }
h1, h2, h3 { font-weight: 600; margin: 1.4em 0 .4em; } h1 { margin-top: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { text-align: right; padding: .2em 1.2em .2em 0; border-bottom: 1px solid #eaeef2;
  vertical-align: bottom; white-space: nowrap; }
th { font-weight: 600; white-space: normal; }
td:first-child, th:first-child { text-align: left; white-space: nowrap; }
.words td, .words th { text-align: left; overflow-wrap: anywhere; white-space: normal;
  vertical-align: top; }
.figures { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start; }
.figures svg { max-width: 100%; height: auto; } .figures div svg { display: block; margin-bottom: 1em; }
.failures { background: #fff8c5; padding: .2em 1em; }
.bar { display: flex; gap: .8em; align-items: center; flex-wrap: wrap; margin: .6em 0; }
.bar button { font: inherit; padding: .2em .9em; }
.legend span { white-space: nowrap; margin-right: 1.2em; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 50%; border: 2.5px solid;
  vertical-align: -.1em; margin-right: .4em; }
.legend .cross { border: 0; border-radius: 0; color: #ffb000; font-style: normal; font-weight: 700;
  margin: 0; width: auto; height: auto; }
.leaf { display: none; } .leaf.on { display: grid; gap: 1em;
  grid-template-columns: repeat(auto-fill, minmax(min(380px, 100%), 1fr)); }
figure { margin: 0; } figure.wide { grid-column: 1 / -1; }
figure svg { width: 100%; height: auto; cursor: zoom-in; display: block; background: #888; }
figure.wide svg { cursor: zoom-out; }
figcaption { color: #57606a; font-size: .9em; } figcaption b { color: #1b1f24; }
.hit, .false, .all, .some, .one, .missed { fill: none; stroke-width: 1.8px;
  vector-effect: non-scaling-stroke; }
.hit, .all { stroke: #2ee6a0; } .false, .one { stroke: #ff4fb0; }
.false { stroke-dasharray: 4 2; } .some { stroke: #58b7ff; } .missed { stroke: #ffb000; stroke-width: 2.4px; }
.store { position: absolute; width: 0; height: 0; overflow: hidden; }
@media print {
  body { margin: 0; max-width: none; font-size: 10px; } .bar button { display: none; }
  figure, tr, .figures > svg { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .leaf.on { grid-template-columns: repeat(3, 1fr); gap: .6em; } .scroll { overflow: visible; }
  td, th { padding-right: .7em; } figure svg, .legend i { print-color-adjust: exact; }
}
</style></head><body>
BODY
<script>
for (const book of document.querySelectorAll(".book")) {
  const leaves = [...book.querySelectorAll(".leaf")], shown = book.querySelector("output");
  let at = 0;
  const turn = (step) => {
    at = (at + step + leaves.length) % leaves.length;
    leaves.forEach((leaf, i) => leaf.classList.toggle("on", i === at));
    shown.value = `${at + 1} of ${leaves.length}: ${leaves[at].dataset.name}`;
  };
  const [back, next] = book.querySelectorAll("button");
  back.addEventListener("click", () => turn(-1)); next.addEventListener("click", () => turn(1));
  book.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  turn(0);
}
for (const picture of document.querySelectorAll("figure svg"))
  picture.addEventListener("click", () => picture.parentElement.classList.toggle("wide"));
</script></body></html>
"""
