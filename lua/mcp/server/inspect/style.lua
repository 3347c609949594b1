-- SPDX-License-Identifier: MIT
-- inspect.style: how the page looks, by day and by night.
return [[
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --accent: #1d4ed8; --bad: #c81e1e;
  --dim: #5b6270; font: 15px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  :root { --accent: #7aa2ff; --bad: #ff8080; --dim: #a2a9b8; } button { color: #111; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; display: grid; grid-template: auto 1fr / minmax(0, 3fr) minmax(0, 2fr);
  height: 100vh; }
header { grid-column: 1 / 3; display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap;
  padding: .6rem 1rem; border-bottom: 1px solid var(--line); }
header h1 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
header output { color: var(--dim); flex: 1; }
.bad, header output.bad, .error, .critical, .alert, .emergency { color: var(--bad); }
main, aside { overflow: auto; padding: 1rem; min-height: 0; }
aside { border-left: 1px solid var(--line); font-size: .85rem; }
@media (max-width: 50rem) {
  body { grid-template: none / 1fr; height: auto; }
  header { grid-column: 1; }
  aside { border-left: 0; border-top: 1px solid var(--line); }
}
section { margin-bottom: 1.4rem; }
h2 { font-size: .8rem; letter-spacing: .06em; text-transform: uppercase; color: var(--dim);
  margin: 0 0 .4rem; }
dialog h2 { font-size: 1rem; letter-spacing: 0; text-transform: none; color: inherit; }
small, .dim { color: var(--dim); }
.bar, .row, .running { display: flex; gap: .6rem; align-items: center; flex-wrap: wrap; }
.bar { margin-bottom: .8rem; }
.bar input { flex: 1; }
.bar h2 { margin: 0; }
.took { display: block; text-align: right; }
.hint { border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem; }
#about { white-space: pre-wrap; margin: 0 0 .6rem; }
#about:empty { display: none; }
#about, pre, summary span, small, label { unicode-bidi: plaintext; overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; }
details > summary { cursor: pointer; padding: .4rem .7rem; border-radius: .4rem; }
details > summary:hover { background: var(--soft); }
details > summary code { font-weight: 600; overflow-wrap: anywhere; }
details > summary span { color: var(--dim); margin-left: .6rem; }
details > *:not(summary) { margin: 0 .7rem .7rem; }
details.plain { border: 0; margin: 0; }
details.plain > summary { padding: 0 .3rem; color: var(--dim); }
details.plain[open] { flex-basis: 100%; }
main details[data-name]:not([open]) > summary { white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; min-width: 0; }
fieldset:disabled > *:not(legend) { display: none; }
.field { display: grid; grid-template-columns: minmax(5rem, 9rem) 1fr; gap: .2rem .6rem;
  margin: .5rem 0; align-items: start; }
.field > label { padding-top: .25rem; }
.field.needed > label::after { content: " *"; color: var(--bad); }
.field > small, .field > .proposals { grid-column: 2; }
.proposals { display: flex; flex-wrap: wrap; gap: .3rem; }
.item { display: flex; gap: .5rem; align-items: start; }
.item > :first-child { flex: 1; }
label.inline { display: inline-block; margin-right: .8rem; }
input, select, textarea, button { font: inherit; padding: .25rem .5rem; min-width: 0;
  border: 1px solid var(--line); border-radius: .3rem; background: var(--soft); color: inherit; }
input:user-invalid, select:user-invalid, textarea:user-invalid { border-color: var(--bad); }
select option { background: Canvas; color: CanvasText; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
input[type=checkbox] { justify-self: start; accent-color: var(--accent); }
.field > input[type=checkbox] { margin-top: .5rem; }
textarea { resize: vertical; field-sizing: content; max-height: 40vh; width: 100%; }
textarea.json { font-family: ui-monospace, monospace; min-height: 4rem; }
button { background: var(--accent); color: #fff; border-color: transparent; padding: .3rem .9rem;
  cursor: pointer; }
@media (prefers-color-scheme: dark) { button { color: #111; } }
button.quiet { background: none; color: inherit; border-color: var(--line);
  padding: .2rem .6rem; }
button:disabled { opacity: .5; cursor: default; }
pre { overflow: auto; background: var(--soft); border-radius: .4rem; padding: .6rem;
  margin: .4rem 0; white-space: pre-wrap; max-height: 60vh; }
pre.bad, .results > .bad { border-left: 3px solid var(--bad); color: inherit; }
small.bad { padding-left: .4rem; }
.results:empty { display: none; }
.results { margin-top: .6rem; }
.message { border-left: 3px solid var(--line); padding-left: .7rem; margin: .5rem 0; }
img { max-width: 100%; display: block; margin: .4rem 0; }
#traffic summary { display: flex; gap: .6rem; padding: .2rem .6rem; }
#traffic summary::before { content: "\2190"; }
#traffic .out summary::before { content: "\2192"; color: var(--accent); }
#traffic .bad summary { color: var(--bad); }
#traffic details { margin: .2rem 0; }
#traffic summary span { margin: 0; }
#traffic time { margin-left: auto; color: var(--dim); white-space: nowrap; }
#log { max-height: 12rem; overflow: auto; margin-bottom: 1rem; }
#log p { margin: 0; overflow-wrap: anywhere; }
dialog { border: 1px solid var(--line); border-radius: .5rem; width: min(40rem, 92vw); }
]]
