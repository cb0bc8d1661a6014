// Keys: g and a letter goes to a screen, / to the filter, j and k along the rows, o opens, r goes to what can be done,
// Ctrl-K to anything, ? shows them.
const places = { n: "/", j: "/jobs", e: "/events", d: "/calendar", r: "/routers", g: "/graph", a: "/apps", o: "/nodes", c: "/config", b: "/boards", t: "/try", q: "/queues", p: "/published" };
const KEYS = [["g and a letter", `go to a screen: ${Object.entries(places).map(([key, path]) => `${key} ${path.slice(1) || "now"}`).join(", ")}`], ["/", "filter the list"], ["j k", "next and previous row"], ["o", "open it"], ["r", "go to the buttons of what can be done"], ["Ctrl-K", "go to a screen, a job or a text in jobs"], ["?", "show this"]];

function element(name, text, ...inside) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...inside);
  return made;
}

// Escape closes it, and the focus goes back to where it was.
function dialog(title, ...inside) {
  if (document.querySelector("dialog[open]")) return;
  const made = element("dialog", "", element("h2", title), ...inside);
  made.setAttribute("aria-label", title);
  made.addEventListener("close", () => made.remove());
  document.body.append(made);
  made.showModal();
}

function showKeys() {
  const list = element("dl", "", ...KEYS.flatMap(([key, what]) => [element("dt", key), element("dd", what)]));
  const close = element("form", "", element("button", "Close"));
  close.method = "dialog";
  dialog("Keys", list, close);
}

function goAnywhere(base) {
  const input = element("input", ""), label = element("label", "A screen, a part of a job's id, or a text in jobs ", input);
  const links = [...document.querySelectorAll("header nav a")];
  const form = element("form", "", label, element("button", "Go"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim(), small = text.toLowerCase();
    const link = small && links.find((link) => link.textContent.toLowerCase().startsWith(small));
    if (link) location.href = link.href;
    else if (/^[0-9a-f-]{4,36}$/i.test(text)) location.href = `${base}/jobs/${text}`;
    else if (text) location.href = `${base}/jobs?q=${encodeURIComponent(text)}`;
  });
  dialog("Go to", form);
  input.focus();
}

// The links that rows are known by.
const rows = () => [...document.querySelectorAll("main tbody tr")].map((row) => row.querySelector("a")).filter(Boolean);

function along(step) {
  const all = rows(), here = all.findIndex((link) => link.closest("tr").contains(document.activeElement));
  all[here < 0 ? 0 : Math.min(Math.max(here + step, 0), all.length - 1)]?.focus();
}

export function listen(base) {
  let isGo = false;
  document.addEventListener("keydown", (event) => {
    const { key } = event, isAnywhere = key === "k" && (event.ctrlKey || event.metaKey);
    if (isAnywhere) { event.preventDefault(); goAnywhere(base); }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    if (isGo && places[key]) location.href = base + places[key];
    const wasGo = isGo;
    isGo = key === "g" && !isGo;
    if (wasGo) return;
    const filter = key === "/" && document.querySelector("form.filter input");
    if (filter) { event.preventDefault(); filter.focus(); }
    if (key === "?") showKeys();
    if (key === "j" || key === "k") along(key === "j" ? 1 : -1);
    if (key === "o" && document.activeElement.closest("tbody tr")) document.activeElement.closest("tbody tr").querySelector("a")?.click();
    if (key === "r") document.querySelector("#acts summary, #acts button, main form[method=post] button")?.focus();
  });
}
