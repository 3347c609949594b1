// SPDX-License-Identifier: MIT
// dom: elements, and texts for them. Everything that a server sends is inserted as text, never as
// markup.
"use strict";

const $ = (id) => document.getElementById(id);
const meta = (name) => document.querySelector("meta[name=" + name + "]").content;

// Creates an element. Attributes that begin with "on" are listeners; `text` is its text content.
function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const pretty = (value) => JSON.stringify(value, null, 2);

// True for JSON with numbers that JavaScript cannot represent: such text is shown unparsed.
const inexact = (text) => /\d{16}|\d[eE]|\.\d{16}/.test(text);

const text_of = (value) => typeof value === "string" ? value : JSON.stringify(value);
