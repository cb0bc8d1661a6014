// Keeps the screen up to date: one stream while the tab is seen, polling when the stream is down.
import { parse } from "./trusted.js";

const GAP = 500, POLL = 5000, AGAIN = 2000, SLOW = 30000, PATIENCE = 30000;
const INTERRUPTED = "Live updates are interrupted; this screen is refreshed every 5 seconds.";
const banner = document.getElementById("stream");

export function follow(base, dress) {
  let source = null, timer = 0, last = 0, wanted = false, poll = 0, slow = 0;

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
    if (!answer.ok) { failed(`This screen cannot be refreshed: the daemon answers ${answer.status}.`); return; }
    exchange(parse(text));
    say(poll ? INTERRUPTED : "");
    if (wanted) soon();
    // What a running job writes is not announced, nor what becomes too old for a line.
    again(document.querySelector("[data-again]") ? AGAIN : document.querySelector("[data-slow]") ? SLOW : 0);
  }

  function failed(why) {
    say(`${why} What you see is old; trying again.`);
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
      const page = document.documentElement;
      const isAtEnd = "again" in old.dataset && page.scrollTop > 0 && page.scrollTop + innerHeight > page.scrollHeight - 40;
      const isSame = (one) => one.getAttribute("href") === focus.getAttribute("href") && one.textContent === focus.textContent;
      const same = isIn && [...now.querySelectorAll(focus.localName)].find(isSame);
      old.replaceWith(now);
      if (isIn) (same || document.getElementById("main")).focus({ preventScroll: true });
      if (isAtEnd) page.scrollTop = page.scrollHeight;
    }
  }

  function soon() {
    wanted = true;
    // A screen that costs more says how seldom it is made again.
    const gap = Number(document.querySelector("[data-gap]")?.dataset.gap ?? GAP);
    if (!timer && !document.hidden) timer = setTimeout(refresh, Math.max(0, last + gap - Date.now()));
  }

  function start() {
    if (source || document.hidden) return;
    source = new EventSource(`${base}/v1/stream`);
    // What happened between the answer with this screen and the opening was not announced.
    source.onopen = () => { clearInterval(poll); poll = 0; say(""); soon(); };
    for (const kind of ["event", "job", "missed"]) source.addEventListener(kind, soon);
    source.onerror = () => {
      say(INTERRUPTED);
      if (!poll) poll = setInterval(soon, POLL);
      // Closed for good: by the end of the session, or by something in between.
      if (source && source.readyState === EventSource.CLOSED) { source = null; soon(); setTimeout(start, POLL); }
    };
  }

  function stop() {
    if (source) source.close();
    source = null;
    clearInterval(poll); poll = 0;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else { start(); soon(); }
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) { start(); soon(); } });
  start();
}
