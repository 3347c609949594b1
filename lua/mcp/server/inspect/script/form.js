// SPDX-License-Identifier: MIT
// form: a form made from a schema, which sends a request and shows its progress.

// Enter submits from a text area too, as it does from a one-line input.
function on_enter(event) {
  if (event.key !== "Enter" || event.target.tagName !== "TEXTAREA" || event.isComposing) return;
  const json = event.target.classList.contains("json");
  if (json ? event.ctrlKey || event.metaKey : !event.shiftKey) {
    event.preventDefault();
    event.currentTarget.requestSubmit();
  }
}

// A form with a button. `run(values, call)` returns the nodes to show below it. `call` sends a
// request that shows its progress and has a Cancel button.
function form(schema, label, run, more) {
  const inner = fields(schema, schema, 0);
  const results = make("div", { class: "results", "aria-live": "polite" });
  const body = make("div", {}, ...inner.nodes);
  const text = make("textarea", { class: "json", rows: 6, "aria-label": "arguments as JSON" });
  const as_json = make("input", { type: "checkbox", onchange: () => {
    if (as_json.checked) {
      try { text.value = pretty(inner.value()); } catch (error) { text.value = "{}"; }
    }
    body.replaceChildren(...(as_json.checked ? [text] : inner.nodes));
  } });
  const node = make("form", { onkeydown: on_enter, onsubmit: async (event) => {
    event.preventDefault();
    const stop = make("button", { type: "button", class: "quiet", text: "Cancel" });
    const bar = make("progress", {}), said = make("span", {});
    const begun = performance.now();
    const call = (method, params) => {
      const { id, answer } = start(method, params, (progress) => {
        if (progress.total > 0) {
          bar.max = progress.total;
          bar.value = progress.progress;
        }
        said.textContent = progress.message || progress.progress
          + (progress.total === undefined ? "" : " of " + progress.total);
      });
      stop.onclick = () => cancel(id);
      return answer;
    };
    call.say = (words) => { said.textContent = words; };
    results.replaceChildren(make("div", { class: "running" }, bar, said, stop));
    let nodes;
    try {
      nodes = await run(as_json.checked ? parse(text.value, "arguments") : inner.value(), call);
    } catch (error) {
      nodes = [failure(error)];
    }
    results.replaceChildren(...nodes, make("small", { class: "took",
      text: (performance.now() - begun).toFixed(0) + " ms" }));
  } }, body, make("div", { class: "row" }, make("button", { text: label }), inner.nodes.length > 0
    ? make("label", { class: "inline" }, as_json, " as JSON") : null, ...(more || [])), results);
  return node;
}

// Shows completions from the server, if it supports them, below the input being edited.
function complete(node, ref) {
  for (const input of node.querySelectorAll(".field input, .field textarea")) {
    const proposals = make("div", { class: "proposals" });
    let latest = 0;
    input.after(proposals);
    input.addEventListener("input", async () => {
      const mine = ++latest;
      if (!server.capabilities.completions) return;
      const context = Object.fromEntries([...node.querySelectorAll(".field [name]")]
        .filter((other) => other !== input && other.value !== "")
        .map((other) => [other.name, other.value]));
      try {
        const given = await request("completion/complete", { ref, argument: { name: input.name,
          value: input.value }, context: { arguments: context } });
        if (mine !== latest) return;
        proposals.replaceChildren(...given.completion.values.slice(0, 20).map((value) =>
          make("button", { type: "button", class: "quiet", text: value, onclick: () => {
            input.value = value;
            proposals.replaceChildren();
            input.focus();
          } })));
      } catch (error) {
        proposals.replaceChildren();
      }
    });
  }
}
