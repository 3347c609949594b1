// SPDX-License-Identifier: MIT
// auth_browser.mjs: a browser and its user, as far as an authorization needs
// them: follows redirects, keeps cookies.
//   node auth_browser.mjs ADDRESS   goes on until somebody shows a page, and
//                                   fails if that is an error
import { pathToFileURL } from "node:url";

// Follows until `stop` says so; the address and the answer it came to.
export async function browse(address, stop = () => false) {
  const jar = new Map();
  for (let hops = 0; hops < 20; hops++) {
    if (stop(address)) return { address };
    const origin = new URL(address).origin;
    const cookies = [...(jar.get(origin) ?? [])].map(([name, value]) => `${name}=${value}`);
    const response = await fetch(address, {
      redirect: "manual",
      headers: cookies.length ? { cookie: cookies.join("; ") } : {},
    });
    const kept = jar.get(origin) ?? new Map();
    jar.set(origin, kept);
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      if (value) kept.set(name, value);
      else kept.delete(name);
    }
    const location = response.headers.get("location");
    if (!location) return { address, response };
    address = new URL(location, address).href;
  }
  throw new Error("too many redirects");
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { response } = await browse(process.argv[2]);
  if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`);
}
