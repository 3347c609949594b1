// The search: every word must occur in a section; words in its heading count most. The index is
// loaded when the field is first used.
"use strict";

const field = document.getElementById("words");
const list = document.getElementById("found");
const MOST = 12;
let loading;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "search-index.js";
    script.onload = () => resolve(globalThis.luamcp_index.map(([page, file, anchor, title, text]) => (
      { page, file, anchor, title, text, low: text.toLowerCase(), head: title.toLowerCase(),
        name: page.toLowerCase() })));
    script.onerror = reject;
    document.head.append(script);
  });
  return loading;
}

function score(section, words) {
  let sum = 0;
  for (const word of words) {
    if (section.head.includes(word)) sum += section.head.startsWith(word) ? 30 : 20;
    else if (section.name.includes(word)) sum += 8;
    else if (!section.low.includes(word)) return 0;
    sum += Math.min(5, section.low.split(word).length - 1);
  }
  return sum;
}

// Puts text into an element, with the words marked.
function mark(element, text, words) {
  const low = text.toLowerCase();
  for (let at = 0; at < text.length;) {
    let from = text.length;
    let found = "";
    for (const word of words) {
      const place = low.indexOf(word, at);
      if (place >= 0 && place < from) [from, found] = [place, word];
    }
    element.append(text.slice(at, from));
    if (found) {
      const marked = document.createElement("mark");
      marked.textContent = text.slice(from, from + found.length);
      element.append(marked);
    }
    at = from + found.length;
  }
}

function entry(section, words) {
  const link = document.createElement("a");
  link.href = `${section.file}#${section.anchor}`;
  const title = document.createElement("span");
  mark(title, section.title, words);
  const where = document.createElement("small");
  const at = Math.max(0, Math.min(...words.map((word) => section.low.indexOf(word))
    .filter((place) => place >= 0), section.text.length) - 40);
  mark(where, `${section.page}: ${at > 0 ? "…" : ""}${section.text.slice(at, at + 140)}`, words);
  link.append(title, where);
  const item = document.createElement("li");
  item.append(link);
  return item;
}

async function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  list.hidden = words.length === 0;
  if (list.hidden) return;
  const sections = await load();
  const hits = sections.map((section) => [score(section, words), section])
    .filter(([points]) => points > 0).sort((a, b) => b[0] - a[0]).slice(0, MOST);
  list.replaceChildren(...hits.map(([, section]) => entry(section, words)));
  if (hits.length === 0) {
    const item = document.createElement("li");
    item.textContent = "Nothing was found.";
    list.append(item);
  }
}

// Moves between the field and the links by the arrow keys.
function move(step) {
  const links = [field, ...list.querySelectorAll("a")];
  const next = links.indexOf(document.activeElement) + step;
  links[Math.max(0, Math.min(links.length - 1, next))].focus();
}

field.addEventListener("input", search);
field.addEventListener("focus", load, { once: true });
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
  const inside = document.getElementById("search").contains(document.activeElement);
  if (event.key === "/" && !inside && !event.ctrlKey && !event.metaKey) field.focus();
  else if (event.key === "Escape" && inside) { list.hidden = true; field.blur(); }
  else if (event.key === "ArrowDown" && inside) move(1);
  else if (event.key === "ArrowUp" && inside) move(-1);
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!document.getElementById("search").contains(event.target)) list.hidden = true;
});
if (matchMedia("(max-width: 50rem)").matches) document.getElementById("pages").open = false;
