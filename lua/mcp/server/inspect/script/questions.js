// SPDX-License-Identifier: MIT
// questions: dialogs for what a server asks its user.

const questions = new Map();

// Shows a dialog and resolves to { action, content? }. The function in `questions` cancels it.
function open_dialog(id, title, nodes, inner, accept) {
  return new Promise((resolve) => {
    const close = (given) => {
      questions.delete(id);
      dialog.close();
      dialog.remove();
      resolve(given);
    };
    const problem = make("p", { class: "bad", role: "alert" });
    const heading = make("h2", { id: "question-" + id, text: title });
    const dialog = make("dialog", { "aria-labelledby": heading.id, oncancel: (event) => {
      event.preventDefault();
      close({ action: "cancel" });
    } }, make("form", { onkeydown: on_enter, onsubmit: (event) => {
      event.preventDefault();
      try {
        close(accept());
      } catch (error) {
        problem.textContent = error.message;
      }
    } }, heading, ...nodes, ...inner, problem, make("div", { class: "row" },
      make("button", { text: "Accept" }),
      make("button", { type: "button", class: "quiet", text: "Decline",
        onclick: () => close({ action: "decline" }) }),
      make("button", { type: "button", class: "quiet", text: "Cancel",
        onclick: () => close({ action: "cancel" }) }))));
    questions.set(id, () => close({ action: "cancel" }));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function ask(id, title, nodes, schema) {
  const inner = fields(schema, schema, 0);
  return open_dialog(id, title, nodes, inner.nodes, () =>
    ({ action: "accept", content: inner.value() }));
}

// A URL that the server asks the user to open: it is shown in full, and only http(s) is opened.
function address(text) {
  let url;
  try { url = new URL(text); } catch (error) { url = null; }
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    return { nodes: [make("pre", { class: "bad", text: "not an http(s) URL, not opened: " + text })] };
  }
  return { nodes: [make("p", {}, "at ", make("strong", { text: url.host })),
    make("pre", { text })], open: () => window.open(url.href, "_blank", "noopener,noreferrer") };
}

function ask_url(params, id) {
  const to = address(params.url);
  return open_dialog(id, "The server asks you to open a URL", [make("pre", { text: params.message }),
    ...to.nodes], [], () => {
    if (!to.open) throw { message: "this URL cannot be opened" };
    to.open();
    return { action: "accept" };
  });
}
