// The only place that makes HTML of text, and only of what this page's own server answered; and the one script that a
// worker may run.
const WORKER = new URL("stream.js", import.meta.url).href;
const make = {
  createHTML: (text) => text,
  createScriptURL: (address) => {
    if (address !== WORKER) throw new TypeError("this is not the script of the worker");
    return address;
  },
};
const policy = window.trustedTypes ? window.trustedTypes.createPolicy("herald", make) : make;

// The elements of a fragment that this server sent.
export function parse(text) {
  return new DOMParser().parseFromString(policy.createHTML(text), "text/html").body;
}

// The worker that all tabs share.
export function startWorker() {
  return new SharedWorker(policy.createScriptURL(WORKER), { type: "module", name: "herald" });
}
