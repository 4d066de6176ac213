"use strict";
// Click or Enter shows a node's definition; hovering lights it, its edges, and the same node in every panel.
const detail = document.getElementById("detail");
const nodes = document.querySelectorAll(".node");
const panelOf = (node) => node.closest("[data-panel]");
function light(id, on) {
  for (const other of nodes) if (other.dataset.node === id) other.classList.toggle("lit", on);
  for (const edge of document.querySelectorAll(".edge"))
    if (edge.dataset.from === id || edge.dataset.to === id) edge.classList.toggle("lit", on);
}
function show(node) {
  const text = document.getElementById(`d${panelOf(node).dataset.panel}-${node.dataset.node}`);
  detail.querySelector("pre").textContent = text.content.textContent;
  detail.hidden = false;
}
for (const node of nodes) {
  const id = node.dataset.node;
  node.addEventListener("mouseenter", () => light(id, true));
  node.addEventListener("mouseleave", () => light(id, false));
  node.addEventListener("focus", () => light(id, true));
  node.addEventListener("blur", () => light(id, false));
  node.addEventListener("click", () => show(node));
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(node); }
  });
}
detail.querySelector("button").addEventListener("click", () => { detail.hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") detail.hidden = true; });
