// The log of a running job: how many lines came while the reader was elsewhere in it.
const whole = document.documentElement;
const moreLines = document.getElementById("more-lines"), moreSaid = document.getElementById("more-said");
let lastSeen = lastLine();

// Whether the end of the screen is seen, and therefore followed.
export function isAtEnd() {
  return whole.scrollTop > 0 && whole.scrollTop + innerHeight > whole.scrollHeight - 40;
}

// Lines were added, or the reader has moved.
export function countLines() {
  if (!moreLines) return;
  const last = lastLine(), log = document.getElementById("log");
  const isSeen = isAtEnd() || log.getBoundingClientRect().bottom < innerHeight;
  if (isSeen) lastSeen = last;
  const count = last - lastSeen;
  if (count > 0) {
    moreLines.textContent = `↓ ${count} new ${count === 1 ? "line" : "lines"}`;
    // Said once, and not each time that there are more.
    if (moreLines.hidden) moreSaid.textContent = "There are new lines at the end of the log.";
  } else {
    if (document.activeElement === moreLines) log.querySelector(".log")?.focus({ preventScroll: true });
    moreSaid.textContent = "";
  }
  moreLines.hidden = count <= 0;
}

function lastLine() {
  return Number(document.querySelector("#log .chunk:last-child > .line:last-child")?.id.slice(1) ?? 0);
}

function toEnd() {
  whole.scrollTop = whole.scrollHeight;
}

moreLines?.addEventListener("click", () => {
  toEnd();
  // What comes into sight may be longer than it was thought to be.
  requestAnimationFrame(() => { toEnd(); countLines(); });
});
if (moreLines) window.addEventListener("scroll", countLines, { passive: true });
