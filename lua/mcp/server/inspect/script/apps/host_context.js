// SPDX-License-Identifier: MIT
// host_context: what an app's page learns of the page around it: theme, styles, mode, size, locale.

const MODES = ["inline", "fullscreen", "pip"];

// The size of the small window of "pip", which page.css gives it too.
const PIP = { width: 320, height: 240 };

// Colors by use, each in light and in dark, in the order of KINDS_OF_COLOR.
const KINDS_OF_COLOR = ["primary", "secondary", "tertiary", "inverse", "ghost", "info", "danger",
  "success", "warning", "disabled"];
const COLORS = {
  background: ["#ffffff #121316", "#f4f5f7 #1b1d22", "#e8eaee #26292f", "#1f2328 #e8eaee",
    "#ffffff00 #12131600", "#e5edff #14244d", "#fde8e8 #4a1717", "#e3f6e8 #10371f",
    "#fdf3d8 #443408", "#f4f5f7 #1b1d22"],
  text: ["#1f2328 #e8eaee", "#5b6270 #a2a9b8", "#6e7686 #8b93a3", "#ffffff #121316",
    "#5b6270 #a2a9b8", "#1d4ed8 #7aa2ff", "#c81e1e #ff8080", "#18794e #63c78d",
    "#8a5a00 #e0b04a", "#9aa1ae #646b79"],
  border: ["#d5d8de #3a3e46", "#e4e6ea #2e3138", "#eef0f3 #26292f", "#1f2328 #e8eaee",
    "#ffffff00 #12131600", "#9db7f5 #2b4a94", "#f2a8a8 #8a2d2d", "#93d3aa #22683e",
    "#e6c879 #7c6118", "#e4e6ea #2e3138"],
};
const RINGS = ["primary", "secondary", "inverse", "info", "danger", "success", "warning"];

const light_dark = (pair) => "light-dark(" + pair.replace(" ", ", ") + ")";

const SIZES = { xs: "0.75rem 1.5", sm: "0.8125rem 1.5", md: "0.9375rem 1.5", lg: "1.0625rem 1.5" };
const HEADINGS = { xs: "0.8125rem 1.4", sm: "0.9375rem 1.4", md: "1.0625rem 1.4",
  lg: "1.25rem 1.3", xl: "1.5rem 1.3", "2xl": "1.875rem 1.2", "3xl": "2.25rem 1.2" };

const STYLE_VARIABLES = Object.fromEntries([
  ...Object.entries(COLORS).flatMap(([use, pairs]) => pairs.map((pair, i) =>
    ["--color-" + use + "-" + KINDS_OF_COLOR[i], light_dark(pair)])),
  ...RINGS.map((kind) => ["--color-ring-" + kind,
    light_dark(COLORS.text[KINDS_OF_COLOR.indexOf(kind)])]),
  ["--font-sans", "system-ui, sans-serif"], ["--font-mono", "ui-monospace, monospace"],
  ["--font-weight-normal", "400"], ["--font-weight-medium", "500"],
  ["--font-weight-semibold", "600"], ["--font-weight-bold", "700"],
  ...[["text", SIZES], ["heading", HEADINGS]].flatMap(([use, sizes]) =>
    Object.entries(sizes).flatMap(([name, both]) => ["size", "line-height"].map((part, i) =>
      ["--font-" + use + "-" + name + "-" + part, both.split(" ")[i]]))),
  ...Object.entries({ xs: "2px", sm: "4px", md: "6px", lg: "10px", xl: "14px", full: "9999px" })
    .map(([name, size]) => ["--border-radius-" + name, size]),
  ["--border-width-regular", "1px"], ["--shadow-hairline", "0 0 0 1px #8884"],
  ["--shadow-sm", "0 1px 2px #0002"], ["--shadow-md", "0 2px 6px #0003"],
  ["--shadow-lg", "0 6px 18px #0004"],
]);

const prefers_dark = matchMedia("(prefers-color-scheme: dark)");

// The theme of a setting: "light", "dark", or else what the browser prefers.
const theme_of = (setting) => setting === "light" || setting === "dark" ? setting
  : prefers_dark.matches ? "dark" : "light";

// How large a page may become. `room` is the width that there is; `settings` are those of a view.
function dimensions_of(mode, settings, room) {
  if (mode === "fullscreen") return { width: room.width, height: room.height };
  if (mode === "pip") return { ...PIP };
  return { width: settings.width > 0 ? settings.width : room.width,
    [settings.fixed ? "height" : "maxHeight"]: settings.height };
}

function host_context(settings, mode, room) {
  return { theme: theme_of(settings.theme), styles: { variables: STYLE_VARIABLES },
    displayMode: mode, availableDisplayModes: MODES,
    containerDimensions: dimensions_of(mode, settings, room), locale: settings.locale,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    userAgent: "luamcp-inspect/" + meta("mcp-software"), platform: "web",
    deviceCapabilities: { touch: navigator.maxTouchPoints > 0,
      hover: matchMedia("(hover: hover)").matches },
    safeAreaInsets: { top: 0, right: 0, bottom: 0, left: 0 } };
}
