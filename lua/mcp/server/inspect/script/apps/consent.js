// SPDX-License-Identifier: MIT
// consent: asks the user before something that the page of an app wants is done.

// The buttons work after this long, in milliseconds: a page chooses the moment of the question, and
// a key that was meant for the page must not answer it.
const PAUSE_OF_CONSENT = 500;

// So many questions of one page wait for the user; the others are refused.
const WAITING_QUESTIONS = 4;

// Shows a question and resolves to the word of the button, "deny" if the dialog is closed.
function choose(title, nodes, choices, signal) {
  return new Promise((resolve) => {
    const close = (word) => {
      dialog.close();
      dialog.remove();
      resolve(word);
    };
    const heading = make("h2", { id: "consent-title", text: title });
    const buttons = choices.map(([word, text]) => make("button", { type: "button", text,
      "data-word": word, class: word === "allow" ? undefined : "quiet", disabled: "",
      onclick: () => close(word) }));
    const dialog = make("dialog", { class: "consent", "aria-labelledby": heading.id,
      oncancel: (event) => {
        event.preventDefault();
        close("deny");
      } }, heading, ...nodes, make("div", { class: "row" }, ...buttons));
    signal.add(() => close("deny"));
    document.body.append(dialog);
    dialog.showModal();
    setTimeout(() => {
      for (const button of buttons) button.disabled = false;
      if (dialog.isConnected) buttons[buttons.length - 1].focus();
    }, PAUSE_OF_CONSENT);
  });
}

// What one page may do without another question, and what it waits for.
class Consent {
  constructor(name) {
    this.name = name;
    this.always = new Set();
    this.waiting = 0;
    this.ends = new Set();
    this.last = Promise.resolve();
  }

  // Throws where the user does not allow it. With `kind`, the user may allow it for good.
  async ask(title, nodes, kind) {
    if (this.always.has(kind)) return;
    if (this.blocked) throw { code: REFUSED, message: "refused by the user, and from now on" };
    if (this.waiting >= WAITING_QUESTIONS) {
      throw { code: REFUSED, message: "more than " + WAITING_QUESTIONS + " questions are waiting" };
    }
    this.waiting++;
    const mine = this.last.then(() => this.decide(title, nodes, kind));
    this.last = mine.catch(() => {});
    try {
      await mine;
    } finally {
      this.waiting--;
    }
  }

  async decide(title, nodes, kind) {
    if (this.always.has(kind)) return;
    const word = this.blocked || this.ended ? "deny" : await choose(title,
      [make("p", { class: "dim", text: "asked by the page of " + this.name }), ...nodes],
      [["allow", "Allow"], ...(kind ? [["always", "Always for this page"]] : []),
        ["block", "Refuse everything"], ["deny", "Refuse"]], this.ends);
    this.ends.clear();
    if (word === "always") this.always.add(kind);
    if (word === "block") this.blocked = true;
    if (word !== "allow" && word !== "always") {
      throw { code: REFUSED, message: "refused by the user" };
    }
  }

  end() {
    this.ended = true;
    for (const close of this.ends) close();
  }
}
