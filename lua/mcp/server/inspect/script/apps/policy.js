// SPDX-License-Identifier: MIT
// policy: the Content-Security-Policy of an app's page, from the origins that its server declares.
// Each declared entry is text of a stranger: one with a semicolon in it would rewrite the policy.

// The members of `csp`, and the directives that they are for.
const DIRECTIVES = { connectDomains: ["connect-src"], resourceDomains: ["script-src", "style-src",
  "img-src", "font-src", "media-src"], frameDomains: ["frame-src"], baseUriDomains: ["base-uri"] };

// What holds without any entry. `'self'` would be the origin of the proxy, except in base-uri.
const ALWAYS = { "script-src": "'unsafe-inline'", "style-src": "'unsafe-inline'",
  "img-src": "data:", "media-src": "data:", "base-uri": "'self'" };

const NEVER = "default-src 'none'; object-src 'none'; form-action 'none'; worker-src 'none'";

// More entries than this are refused: a policy is sent with each page, and is read by people.
const MOST_ORIGINS = 50;

const ORIGIN = /^(https?|wss?):\/\/(\*\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)*)(:\d{1,5})?$/i;
const PRIVATE = new RegExp("^(0|10|127|169\\.254|192\\.168|172\\.(1[6-9]|2\\d|3[01])"
  + "|100\\.(6[4-9]|[7-9]\\d|1[01]\\d|12[0-7]))\\.");
const OF_NETWORK = /(^|\.)(localhost|local|internal|lan|home|home\.arpa|intranet|corp|test)$/i;

// This machine and private networks: what a page of a stranger must not reach by itself. A public
// name that resolves to such an address is not recognized here.
const is_local = (host) => PRIVATE.test(host) || OF_NETWORK.test(host) || !host.includes(".");

// Why an entry is refused; undefined if it is an origin.
function refusal_of(entry, local) {
  const found = typeof entry === "string" && ORIGIN.exec(entry);
  if (!found) return "expected scheme://host[:port] with https, http, wss or ws";
  const host = found[3].toLowerCase();
  // 127.1 and 0x7f000001 are other spellings of an address.
  let parsed;
  try { parsed = new URL("http://" + host).hostname; } catch (error) { /* refused below */ }
  if (parsed !== host) return "the host is not spelled as usual";
  if (found[2] && !host.includes(".")) return "the * stands for too many hosts";
  const url = new URL(entry.replace("*.", "").replace(/^ws/i, "http"));
  if (url.port === location.port || url.port === new URL(proxy_origin).port) {
    if (is_local(host)) return "this page itself";
  }
  if (is_local(host) && !local) return "an address of this machine or of a private network";
  return undefined;
}

// The policy for what `csp` declares: { text, refused: [[member, entry, reason]], granted }.
// `local` admits addresses of this machine and of private networks.
function policy_of(csp, local) {
  const sources = new Map(), refused = [], granted = {};
  for (const [member, directives] of Object.entries(DIRECTIVES)) {
    const declared = csp && csp[member];
    if (declared === undefined || declared === null) continue;
    if (!Array.isArray(declared)) {
      refused.push([member, pretty(declared), "expected a list of origins"]);
      continue;
    }
    granted[member] = [];
    for (const entry of declared) {
      const reason = granted[member].length >= MOST_ORIGINS ? "more than " + MOST_ORIGINS
        : refusal_of(entry, local);
      if (reason) refused.push([member, text_of(entry), reason]);
      else granted[member].push(entry);
      if (refused.length >= MOST_ORIGINS) break;
    }
    for (const directive of directives) sources.set(directive, granted[member]);
  }
  const text = [NEVER, ...Object.values(DIRECTIVES).flat().map((directive) => {
    const words = [ALWAYS[directive], ...(sources.get(directive) || [])].filter(Boolean);
    return directive + " " + (words.length > 0 ? words.join(" ") : "'none'");
  })].join("; ");
  return { text, refused, granted };
}

// The features of `permissions`, and what `allow` of a frame calls them.
const FEATURES = { camera: "camera", microphone: "microphone", geolocation: "geolocation",
  clipboardWrite: "clipboard-write" };

const wanted_features = (permissions) => Object.keys(FEATURES).filter((name) =>
  permissions !== null && typeof permissions === "object" && permissions[name]);

const allow_of = (names) => names.map((name) => FEATURES[name] + " *").join("; ");

// The page below its policy: the first element of the document, before anything of the page.
const below_policy = (html, policy) => "<!doctype html><meta http-equiv=\"Content-Security-Policy\""
  + " content=\"" + policy.replaceAll("&", "&amp;").replaceAll('"', "&quot;") + "\">"
  + html.replace(/^\uFEFF/, "");
