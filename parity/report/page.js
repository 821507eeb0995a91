/* The page: opening and closing a pair by its address, the filters, the arrow keys and the theme. */
const cellLinks = () => [...document.querySelectorAll("td a")].filter(link => link.offsetParent);
const current = () => {
  if (!location.hash.startsWith("#case=")) return undefined;
  const query = new URLSearchParams(location.hash.slice(1));
  return pairs.get(JSON.stringify([query.get("case"), query.get("subject")]));
};
const move = by => {
  const links = cellLinks();
  const at = links.findIndex(link => link.getAttribute("href") === location.hash);
  const next = links[(at + by + links.length) % links.length];
  if (next) { history.replaceState(history.state, "", next.getAttribute("href")); route(); }
};
const close = () => {
  if (history.state && history.state.inside) history.back();
  else { history.replaceState(null, "", location.pathname + location.search); route(); }
};
let opener = null;
const route = () => {
  const pair = current();
  if (!pair) {
    if (dialog.open) dialog.close();
    document.title = title;
    if (opener) opener.focus({ preventScroll: true });
    opener = null;
    return;
  }
  document.title = `${data.subjects[pair.subject]} in ${data.cases[pair.case].id}`;
  dialog.replaceChildren(
    el("div", { class: "top" },
      el("button", { type: "button", "aria-label": "Previous pair", onclick: () => move(-1) }, "←"),
      el("button", { type: "button", "aria-label": "Next pair", onclick: () => move(1) }, "→"),
      el("span", {}), el("button", { type: "button", onclick: close }, "Close")),
    content(pair));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
};
document.addEventListener("click", event => {
  const link = event.target.closest && event.target.closest('a[href^="#case="]');
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  opener = link;
  history.pushState({ inside: true }, "", link.getAttribute("href"));
  route();
});
dialog.addEventListener("cancel", event => { event.preventDefault(); close(); });
dialog.addEventListener("click", event => { if (event.target === dialog) close(); });
dialog.addEventListener("keydown", event => {
  if (event.key === "ArrowLeft") move(-1);
  if (event.key === "ArrowRight") move(1);
});
addEventListener("popstate", route);
addEventListener("hashchange", route);

/* --- the table: filters and arrow keys --------------------------------------------------------------------- */
const form = document.querySelector(".filters");
const search = document.getElementById("filter-text");
const select = document.getElementById("filter-subject");
const rule = document.getElementById("filter-rule");
const apply = () => {
  const verdicts = new Set([...form.querySelectorAll('[aria-pressed="true"]')].map(button => button.dataset.verdict));
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const column = select.selectedIndex - 1;
  for (const cell of document.querySelectorAll("[data-subject]")) cell.hidden = column >= 0 && +cell.dataset.subject !== column;
  let any = false;
  for (const row of document.querySelectorAll("tr[data-text]")) {
    const cells = [...row.querySelectorAll("td[data-subject]")].filter(cell => !cell.hidden);
    const hit = cell => verdicts.has(cell.dataset.verdict);
    for (const cell of cells) cell.classList.toggle("faint", verdicts.size > 0 && !hit(cell));
    const named = words.every(word => row.dataset.text.includes(word)) && [row.dataset.rule, ""].includes(rule.value);
    row.hidden = !named || (verdicts.size > 0 && !cells.some(hit));
    any = any || !row.hidden;
  }
  for (const body of document.querySelectorAll("tbody")) body.hidden = !body.querySelector("tr[data-text]:not([hidden])");
  document.getElementById("none").hidden = any;
  rove();
};
form.addEventListener("click", event => {
  const button = event.target.closest("[data-verdict]");
  if (!button) return;
  button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
  apply();
});
form.addEventListener("input", apply);
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("reset", () => {
  for (const button of form.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", "false");
  setTimeout(apply);
});
/* One stop for Tab in the whole table, arrows inside: https://www.w3.org/WAI/ARIA/apg/practices/keyboard-interface/ */
const rove = chosen => {
  const links = [...document.querySelectorAll("td a")];
  const stop = chosen || links.find(link => link.offsetParent);
  for (const link of links) link.tabIndex = link === stop ? 0 : -1;
};
document.querySelector("table").addEventListener("keydown", event => {
  const cell = event.target.closest("td");
  const sideways = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[event.key];
  const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!cell || !(sideways || down)) return;
  event.preventDefault();
  let next = cell;
  if (sideways) {
    do next = next[sideways]; while (next && (next.hidden || !next.querySelector("a")));
  } else {
    const rows = [...document.querySelectorAll("tr[data-text]")].filter(row => row.offsetParent);
    for (let at = rows.indexOf(cell.parentNode) + down; rows[at]; at += down) {
      next = rows[at].children[cell.cellIndex];
      if (next.querySelector("a")) break;
    }
  }
  const link = next && next.querySelector("a");
  if (link) { rove(link); link.focus(); }
});

const root = document.documentElement;
const remember = value => { try { localStorage.setItem("parity-theme", value); } catch { /* private mode */ } };
try { if (localStorage.getItem("parity-theme")) root.dataset.theme = localStorage.getItem("parity-theme"); } catch { /* private mode */ }
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remember(root.dataset.theme);
});
rove();
route();
