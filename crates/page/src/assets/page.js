// Small helps that the page also does without: times in the reader's zone, one submit per form.
import { listen } from "./keys.js";
import { follow } from "./live.js";

// By how much the clock of the reader is ahead of the daemon's, which times are compared with.
const base = document.body.dataset.base, ahead = Date.now() - document.body.dataset.now, AGES = 10000;

const two = (number) => String(number).padStart(2, "0");
export function local(date) {
  const offset = -date.getTimezoneOffset();
  const sign = offset < 0 ? "-" : "+";
  const hours = two(Math.floor(Math.abs(offset) / 60)), minutes = two(Math.abs(offset) % 60);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${sign}${hours}:${minutes}`;
}

export function dress(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.getTime())) time.textContent = local(date);
  }
}

// How long ago a time was or how soon it is, as the daemon writes it: a screen may be open for long without any news.
function distance(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  if (seconds > -1 && seconds < 1) return "just now";
  if (seconds > 0) {
    const [unit, length] = units.find(([, length]) => seconds >= length);
    return `${Math.floor(seconds / length)}${unit[0]} ago`;
  }
  const counts = units.map(([unit, length], n) => [unit, Math.floor(n ? -seconds % units[n - 1][1] / length : -seconds / length)]);
  const some = counts.filter(([, count]) => count > 0).slice(0, 2);
  return `in ${some.map(([unit, count]) => `${count} ${unit}${count === 1 ? "" : "s"}`).join(" ")}`;
}

setInterval(() => {
  if (document.hidden) return;
  for (const ago of document.querySelectorAll("time + .ago")) {
    const text = ago.firstChild, at = new Date(ago.previousElementSibling.dateTime);
    if (text?.data?.startsWith("(") && !ago.contains(getSelection().anchorNode)) text.data = `(${distance((Date.now() - ahead - at) / 1000)})`;
  }
}, AGES);

// Says so of a form that the daemon would refuse for its size, and keeps what is written in it.
function isTooLarge(form) {
  const most = Number(form.dataset.most);
  // As it is sent: ends of lines are two characters.
  const size = most ? new URLSearchParams(new FormData(form)).toString().replaceAll("%0A", "%0D%0A").length : 0;
  form.querySelector(".too-large")?.remove();
  if (size <= most || !most) return false;
  const note = document.createElement("p"), mib = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes === most ? 0 : 2)} MiB`;
  note.className = "wrong too-large";
  note.setAttribute("role", "alert");
  note.textContent = `✕ This was not sent: it would be ${mib(size)}, and at most ${mib(most)} are accepted. Shorten it.`;
  form.querySelector("button[type=submit]").before(note);
  return true;
}

document.addEventListener("submit", (event) => {
  // A second click would be a second act.
  if (event.target.dataset.sent || isTooLarge(event.target)) event.preventDefault();
  else if (event.target.method === "post") event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", (event) => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  // Somebody who came back and sends the same form wants it to act again.
  const key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (event.persisted) for (const one of document.querySelectorAll("input[name=idempotency_key]")) one.value = key;
});

// The zone of the reader, where the calendar offers it.
for (const item of document.querySelectorAll("[data-zone]")) {
  const link = item.querySelector("a"), address = new URL(link.href);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) continue;
  address.searchParams.set("zone", zone);
  link.href = address.href;
  link.textContent = `mine (${zone})`;
  item.hidden = false;
}

dress(document);
listen(base);
// The navigation of a narrow screen is one row, of which the end may be out of sight.
const current = document.querySelector("header nav > ul [aria-current]");
if (current) current.closest("ul").scrollLeft = current.offsetLeft - 60;
// A menu closes when something else is done.
const more = document.querySelector("header .more");
const isElsewhere = (target) => target && !more.contains(target);
more?.addEventListener("focusout", (event) => { if (isElsewhere(event.relatedTarget)) more.open = false; });
if (more) document.addEventListener("click", (event) => { if (isElsewhere(event.target)) more.open = false; });
more?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !more.open) return;
  more.open = false;
  more.querySelector("summary").focus();
});
if ("live" in document.body.dataset) follow(base, dress, local);
