"use strict";
// [path, bytes, layer] of every visible file becomes a tree of directories, drawn as nested rectangles.
const data = JSON.parse(document.getElementById("data").textContent);
const colours = ["#8ec6e6", "#f2c178", "#9bd3a5", "#e6a6b8", "#c3b5e8", "#e3d37d", "#8fd3cf", "#d7b299"];
const bytes = (n) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 999.5 && at < 4) { n /= 1000; at++; }
  return (at ? n.toPrecision(3) : n) + " " + units[at];
};
const root = { name: "/", size: 0, parts: new Map(), by: [] };
for (const [path, size, layer] of data.files) {
  let node = root;
  node.size += size;
  const names = path.split("/").slice(1);
  names.forEach((name, at) => {
    if (!node.parts.has(name)) {
      const last = at === names.length - 1;
      node.parts.set(name, { name, size: 0, layer, parts: last ? null : new Map(), by: [], above: node });
    }
    node = node.parts.get(name);
    node.size += size;
    node.by[layer] = (node.by[layer] || 0) + size;
  });
}
const map = document.getElementById("map");
const trail = document.getElementById("trail");
// Squarified: rows are filled while the worst shape in them gets better.
function place(parts, x, y, w, h, put) {
  let rest = parts.reduce((sum, part) => sum + part.size, 0);
  let at = 0;
  while (at < parts.length && rest > 0 && w > 1 && h > 1) {
    const short = Math.min(w, h);
    const scale = (w * h) / rest;
    let count = 0, sum = 0, worst = Infinity;
    while (at + count < parts.length) {
      const next = sum + parts[at + count].size;
      const side = (next * scale) / short;
      let bad = 0;
      for (const part of parts.slice(at, at + count + 1)) {
        const other = (part.size * scale) / side;
        bad = Math.max(bad, other / side, side / other);
      }
      if (bad > worst) break;
      worst = bad; sum = next; count++;
    }
    const side = (sum * scale) / short;
    let offset = 0;
    for (const part of parts.slice(at, at + count)) {
      const other = (part.size * scale) / side;
      if (w >= h) put(part, x, y + offset, side, other); else put(part, x + offset, y, other, side);
      offset += other;
    }
    if (w >= h) { x += side; w -= side; } else { y += side; h -= side; }
    rest -= sum; at += count;
  }
}
function sorted(node) {
  return [...node.parts.values()].filter((part) => part.size > 0).sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1));
}
// The layer that most of a directory's bytes come from.
function mostly(node) {
  return node.by.reduce((best, size, layer) => (size > (node.by[best] || 0) ? layer : best), 0);
}
function full(node) {
  const names = [];
  for (let at = node; at.above; at = at.above) names.unshift(at.name);
  return "/" + names.join("/");
}
function draw(node) {
  map.replaceChildren();
  trail.replaceChildren();
  const above = [];
  for (let at = node; at; at = at.above) above.unshift(at);
  for (const at of above) {
    const button = document.createElement("button");
    button.textContent = at.name;
    button.onclick = () => draw(at);
    trail.append(button, at === node ? ` ${bytes(node.size)}` : at.above ? " / " : " ");
  }
  const put = (depth) => (part, x, y, w, h) => {
    if (w < 3 || h < 3) return;
    const box = document.createElement("button");
    const opened = part.parts && depth < 6 && w > 24 && h > 34;
    box.style.cssText = `left:${x}px;top:${y}px;width:${w}px;height:${h}px;background:${opened ? "#dfe5ea" : colours[(part.parts ? mostly(part) : part.layer) % colours.length]}`;
    box.title = `${full(part)}\n${bytes(part.size)}` + (part.parts ? "" : `, layer ${part.layer + 1}`);
    if (w > 34 && h > 13) box.textContent = `${part.name}${w > 110 ? " " + bytes(part.size) : ""}`;
    if (part.parts) {
      box.className = "dir";
      box.onclick = () => draw(part);
    } else {
      box.tabIndex = -1;
    }
    map.append(box);
    if (opened) {
      const inside = sorted(part);
      // A directory in a directory alone is no depth to speak of.
      place(inside, x + 2, y + 17, w - 4, h - 19, put(inside.length > 1 ? depth + 1 : depth));
    }
  };
  place(sorted(node), 0, 0, map.clientWidth, map.clientHeight, put(0));
  shown = node;
}
let shown = root;
draw(root);
addEventListener("resize", () => draw(shown));
addEventListener("keydown", (event) => { if (event.key === "Escape" && shown.above) draw(shown.above); });
