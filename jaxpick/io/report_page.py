"""The frame of the picture report: its style and the script behind its slider; BODY is replaced."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>jaxpick: picks</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1280px;
  padding: 0 1em; color: #1b1f24; background: #fff; }
h1, h2 { font-weight: 600; margin: 1.2em 0 .4em; } h1 { margin-top: 0; }
.bar { position: sticky; top: 0; background: #fff; padding: .5em 0; z-index: 1;
  border-bottom: 1px solid #d8dee4; display: flex; gap: .8em; align-items: center; flex-wrap: wrap; }
.bar input[type=range] { width: 22em; max-width: 60vw; } .bar output { min-width: 20em; }
.panels { display: grid; gap: 1.2em;
  grid-template-columns: repeat(auto-fill, minmax(min(560px, 100%), 1fr)); }
figure { margin: 0; } figure.wide { grid-column: 1 / -1; }
figcaption { color: #57606a; overflow-wrap: anywhere; }
.picture { position: relative; line-height: 0; cursor: zoom-in; } .wide .picture { cursor: zoom-out; }
.picture img { width: 100%; height: auto; }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.picks circle { fill: none; stroke: #2ee62e; stroke-width: 1.6px; vector-effect: non-scaling-stroke; }
.truth path { stroke: #ffb000; stroke-width: 1.4px; fill: none; vector-effect: non-scaling-stroke; }
.bare .picks { display: none; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: .15em 1.5em .15em 0; border-bottom: 1px solid #eaeef2;
  overflow-wrap: anywhere; vertical-align: top; }
.settings td:first-child { overflow-wrap: normal; }
.number { text-align: right; } .share { background: #4c78a8; height: .7em; margin-top: .45em; }
.histogram { max-width: 680px; width: 100%; } .histogram rect { fill: #4c78a8; }
.histogram .cut { stroke: #d62728; stroke-width: 2; } .histogram .grid { stroke: #eaeef2; }
.histogram text { font-size: 12px; fill: #57606a; }
.problems { background: #fff8c5; padding: .2em 1em; }
@media print {
  body { margin: 0; max-width: none; font-size: 11px; }
  .bar { display: none; } figure, tr { break-inside: avoid; }
  .panels { grid-template-columns: 1fr 1fr; } .share, .histogram { print-color-adjust: exact; }
}
</style></head><body>
BODY
<script>
const cut = document.getElementById("cut"), shown = document.getElementById("shown");
const values = JSON.parse(cut.dataset.values), counts = JSON.parse(cut.dataset.counts);
const plot = document.querySelector(".histogram");
function draw() {
  const value = values[cut.value];
  shown.value = `${value} · ${counts[cut.value]} picks in all micrographs`;
  for (const figure of document.querySelectorAll("figure")) {
    let count = 0;
    for (const circle of figure.querySelectorAll(".picks circle")) {
      const on = Number(circle.dataset.s) >= value - 1e-9;
      circle.style.display = on ? "" : "none"; count += on;
    }
    figure.querySelector(".count").textContent = count;
  }
  if (plot) {
    const at = 60 + 600 * (value - plot.dataset.low) / plot.dataset.span;
    const line = plot.querySelector(".cut");
    line.setAttribute("x1", at); line.setAttribute("x2", at);
  }
}
cut.addEventListener("input", draw); draw();
document.getElementById("circles").addEventListener("change", (event) =>
  document.body.classList.toggle("bare", !event.target.checked));
for (const picture of document.querySelectorAll(".picture"))
  picture.addEventListener("click", () => picture.parentElement.classList.toggle("wide"));
</script></body></html>
"""
