// Keeps the screen up to date: by the stream that all tabs share, by polling when it is down.
import { countLines, isAtEnd } from "./log.js";
import { openStream } from "./stream.js";
import { parse, startWorker } from "./trusted.js";

const GAP = 500, POLL = 5000, AGAIN = 2000, SLOW = 30000, PATIENCE = 30000, GREET = 30000, UNHEARD = 20000;
const INTERRUPTED = "Live updates are interrupted; this screen is refreshed every 5 seconds.";
const banner = document.getElementById("stream");

export function follow(base, dress, local) {
  let timer = 0, last = 0, wanted = false, poll = 0, slow = 0;
  // The way to the worker, null where there is none; what closes a stream of this tab; what the stream said last.
  let shared, close = null, heard = "", unheard = 0;
  // When what is seen was made.
  let made = Date.now();

  const say = (text) => { banner.textContent = text; banner.hidden = text === ""; };
  const leave = () => { stop(); location.href = `${base}/login?to=${encodeURIComponent(here())}`; };
  const here = () => (location.pathname + location.search).slice(base.length);

  async function refresh() {
    timer = 0; wanted = false; last = Date.now();
    let answer, text;
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      answer = await fetch(location.href, { headers: { "Herald-Fragment": "main" }, redirect: "manual", cache: "no-store", signal });
      text = await answer.text();
    } catch { failed("The daemon cannot be reached."); return; }
    if (answer.type === "opaqueredirect" || answer.status === 401) { leave(); return; }
    if (!answer.ok && document.querySelector("[data-problem]")) { if (answer.status >= 500) again(POLL); return; }
    if (!answer.ok) { failed(`This screen cannot be refreshed: the daemon answers ${answer.status}.`); return; }
    exchange(parse(text));
    made = last;
    say(poll ? INTERRUPTED : "");
    if (wanted) soon();
    // What a running job writes is not announced, nor what becomes too old for a line.
    again(document.querySelector("[data-again]") ? AGAIN : document.querySelector("[data-slow]") ? SLOW : 0);
  }

  function failed(why) {
    say(`${why} What you see is old: it is of ${local(new Date(made))}. Trying again every 5 seconds.`);
    again(POLL);
  }

  function again(after) {
    clearTimeout(slow);
    if (after) slow = setTimeout(soon, after);
  }

  // Exchanges the parts that changed, unless somebody writes in them.
  function exchange(fresh) {
    // The key of what was sent is that of the screen: another one would make each part with a form differ.
    const key = document.querySelector("input[name=idempotency_key]");
    if (key) for (const one of fresh.querySelectorAll("input[name=idempotency_key]")) one.setAttribute("value", key.value);
    for (const now of fresh.querySelectorAll("[data-part]")) {
      const old = document.getElementById(now.id);
      dress(now);
      if (!old || old.isEqualNode(now)) continue;
      // What is selected may be about to be copied.
      const selection = getSelection();
      if (!selection.isCollapsed && selection.containsNode(old, true)) continue;
      const focus = document.activeElement;
      const isIn = old.contains(focus);
      if (isIn && focus.matches("input, select, textarea")) continue;
      if (old.querySelector("details[open] form")) continue;
      for (const open of old.querySelectorAll("details[open] > summary")) {
        const same = [...now.querySelectorAll("details > summary")].find((s) => s.textContent === open.textContent);
        if (same) same.parentElement.open = true;
      }
      const isFollowed = "again" in old.dataset && isAtEnd();
      // What has a name of its own is the same also where something else is in it now.
      const isSame = (one) => one.getAttribute("href") === focus.getAttribute("href") &&
        (one.textContent === focus.textContent || (focus.ariaLabel && one.ariaLabel === focus.ariaLabel));
      const same = isIn && [...now.querySelectorAll(focus.localName)].find(isSame);
      const moved = [...old.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
      old.replaceWith(now);
      for (const [n, box] of now.querySelectorAll(".scroll").entries()) box.scrollLeft = moved[n] ?? 0;
      if (isIn) (same || document.getElementById("main")).focus({ preventScroll: true });
      if (isFollowed) document.documentElement.scrollTop = document.documentElement.scrollHeight;
      if (old.id === "log") countLines();
    }
  }

  function soon() {
    wanted = true;
    // A screen that costs more says how seldom it is made again.
    const gap = Number(document.querySelector("[data-gap]")?.dataset.gap ?? GAP);
    if (!timer && !document.hidden) timer = setTimeout(refresh, Math.max(0, last + gap - Date.now()));
  }

  // A stream that all tabs share; or one of this tab, as long as the tab is seen.
  function start() {
    if (shared === undefined) shared = share();
    if (shared) greet();
    else if (!close && !document.hidden) close = openStream(base, hear);
  }

  function share() {
    if (typeof SharedWorker !== "function") return null;
    try {
      const worker = startWorker();
      worker.onerror = alone;
      worker.port.onmessage = ({ data }) => { clearTimeout(unheard); unheard = 0; hear(data); };
      return worker.port;
    } catch { return null; }
  }

  // A worker that died would be silent: it is asked now and then, and answers.
  function greet() {
    shared.postMessage("hello");
    if (!unheard) unheard = setTimeout(alone, UNHEARD);
  }

  function alone() {
    if (!shared) return;
    stop();
    shared.close();
    shared = null;
    start();
  }

  function hear(word) {
    if (word === "login") leave();
    else if (word === "change") soon();
    else if (word !== heard && word !== "opening") {
      heard = word;
      clearInterval(poll);
      poll = word === "open" ? 0 : setInterval(soon, POLL);
      say(poll ? INTERRUPTED : "");
      // What happened between the answer with this screen and the opening was not announced.
      soon();
    }
  }

  function stop() {
    if (shared) shared.postMessage("bye");
    close?.();
    close = null;
    clearTimeout(unheard); unheard = 0;
    clearInterval(poll); poll = 0;
    heard = "";
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { start(); soon(); }
    else if (!shared) stop();
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) { start(); soon(); } });
  setInterval(() => { if (shared && !document.hidden) greet(); }, GREET);
  start();
}
