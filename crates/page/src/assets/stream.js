// One stream for all tabs: this file is the SharedWorker that holds it, and a part of the page for browsers without
// such workers. A tab gets words ("open", "change", "down", "login") and asks for what it shows by itself.
const RETRY = 5000, PATIENT = 10000;
const CHANGES = ["event", "job", "state", "missed"];

// Opens the stream; what it returns closes it. `tell` gets a word for everything that happens.
export function openStream(base, tell) {
  const address = `${base}/v1/stream`;
  let source = null, timer = 0;

  // An EventSource does not say why it ended: by the end of the session, or by something in between.
  async function isLoggedOut() {
    const signal = AbortSignal.timeout(PATIENT);
    try { return (await fetch(address, { method: "HEAD", cache: "no-store", signal })).status === 401; }
    catch { return false; }
  }

  function open() {
    const own = source = new EventSource(address);
    let isAsked = false;
    own.onopen = () => { isAsked = false; tell("open"); };
    for (const kind of CHANGES) own.addEventListener(kind, () => tell("change"));
    own.onerror = async () => {
      tell("down");
      const isClosed = own.readyState === EventSource.CLOSED;
      // It connects again by itself every few seconds: that need not be asked each time.
      const isOver = (isClosed || !isAsked) && (isAsked = true) && await isLoggedOut();
      if (own !== source) return;
      if (isOver) { close(); tell("login"); }
      else if (isClosed) { own.close(); timer = setTimeout(open, RETRY); }
    };
  }

  function close() {
    source?.close();
    source = null;
    clearTimeout(timer);
  }

  open();
  return close;
}

function share() {
  const base = location.pathname.replace(/\/assets\/[^/]*\/[^/]*$/, ""), tabs = new Set();
  let close = null, state = "opening";

  function tell(word) {
    if (word !== "change") state = word;
    for (const tab of tabs) tab.postMessage(word);
    // Who logs in again begins again.
    if (word === "login") { tabs.clear(); end(); }
  }

  function end() {
    close?.();
    close = null;
    state = "opening";
  }

  function leave(tab) {
    tabs.delete(tab);
    if (tabs.size === 0) end();
  }

  self.onconnect = ({ ports: [tab] }) => {
    tab.onclose = () => leave(tab);
    tab.onmessage = ({ data }) => {
      if (data === "bye") { leave(tab); return; }
      tabs.add(tab);
      tab.postMessage(state);
      close ??= openStream(base, tell);
    };
  };
}

if (typeof SharedWorkerGlobalScope === "function" && self instanceof SharedWorkerGlobalScope) share();
