"use strict";
// The pages are complete without this file; it adds the theme switch, sorting, filtering, column sets, lit curves, and
// the comparison. Text from submissions reaches the page through textContent only.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, attributes = {}, ...children) => {
  const node = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const fixed = (value, digits = 2) => value.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−"); // no −0.00
const signed = (value) => (/^[0.]*$/.test(fixed(value)) || value < 0 ? "" : "+") + fixed(value);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function theme() {
  const button = document.querySelector(".theme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Use the ${isDark() ? "light" : "dark"} theme`); };
  try { const kept = localStorage.getItem("theme"); if (kept === "dark" || kept === "light") root.dataset.theme = kept; } catch { /* not kept on file:// in some browsers */ }
  button.hidden = false;
  label();
  system.addEventListener("change", label);
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* as above */ }
    label();
  });
}

// What is sorted, filtered and shown stands in the address, so that it can be sent to others: #sort=gap&backbone=unet
const kept = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
const keep = (changes) => {
  const state = kept();
  for (const [name, value] of Object.entries(changes)) { if (value) state.set(name, value); else state.delete(name); }
  try { history.replaceState(null, "", `#${state}`); } catch { /* file:// in some browsers */ }
};

// Rows are sorted and filtered within their group: ranks of one protocol never mix with those of another.
const groupsOf = (table) => [...table.tBodies].map((body) => ({ body, rows: [...body.rows].filter((row) => row.dataset.key) }));

function sorting(table) {
  const groups = groupsOf(table);
  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.v === undefined) return cell.querySelector(".name").textContent;
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };
  const sort = (header, direction) => {
    for (const other of all("[aria-sort]", table)) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const order = ([a], [b]) => {
      if (a === b) return 0;
      if (a === null || b === null) return a === null ? 1 : -1; // what has no value stays last
      return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
    };
    for (const { body, rows } of groups) {
      const keyed = rows.map((row) => [value(row, header.cellIndex), row]).sort(order);
      body.append(...keyed.map(([, row]) => row));
    }
  };
  for (const header of all("thead th[data-sort]", table)) {
    const button = make("button", { type: "button", class: "sort" });
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const now = header.getAttribute("aria-sort");
      const first = header.dataset.sort === "high" ? "descending" : "ascending";
      sort(header, now === null ? first : now === "ascending" ? "descending" : "ascending");
      keep({ sort: header.dataset.column, order: header.getAttribute("aria-sort") });
    });
  }
  return () => {
    const header = all("thead th[data-sort]", table).find((th) => th.dataset.column === kept().get("sort"));
    if (header) sort(header, kept().get("order") === "descending" ? "descending" : "ascending");
  };
}

function filtering(table, controls) {
  const groups = groupsOf(table);
  const rows = groups.flatMap((group) => group.rows);
  const selects = all("select[data-field]", controls);
  const text = controls.querySelector("input[type=search]");
  const count = controls.querySelector(".count");
  for (const select of selects) {
    const values = [...new Set(rows.map((row) => row.dataset[select.dataset.field]).filter(Boolean))].sort();
    for (const value of values) select.append(make("option", { value }, value));
  }
  const apply = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = selects.every((s) => !s.value || row.dataset[s.dataset.field] === s.value)
        && (!wanted || row.textContent.toLowerCase().includes(wanted));
      row.hidden = !fits;
      shown += fits;
    }
    for (const group of groups) group.body.hidden = group.rows.every((row) => row.hidden);
    const total = `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
    count.textContent = shown === rows.length ? total : `${shown} of ${total}`;
  };
  for (const select of selects) select.addEventListener("change", () => { apply(); keep({ [select.dataset.field]: select.value }); });
  text.addEventListener("input", () => { apply(); keep({ search: text.value.trim() }); });
  const buttons = all(".segments button", controls);
  const show = (button) => {
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    table.classList.remove("show-overview", "show-landmarks", "show-all");
    table.classList.add(`show-${button.dataset.show}`);
  };
  for (const button of buttons) {
    button.addEventListener("click", () => { show(button); keep({ columns: button.dataset.show === controls.dataset.start ? "" : button.dataset.show }); });
  }
  controls.hidden = false;
  return () => {
    const state = kept();
    for (const select of selects) {
      const value = state.get(select.dataset.field) ?? "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    text.value = state.get("search") ?? "";
    show(buttons.find((b) => b.dataset.show === state.get("columns")) ?? buttons.find((b) => b.dataset.show === controls.dataset.start));
    apply();
  };
}

function lighting(table) {
  const light = (row, on) => {
    for (const curve of all(`.curve[data-key="${row.dataset.key}"]`)) curve.classList.toggle("lit", on);
  };
  for (const row of groupsOf(table).flatMap((group) => group.rows)) {
    for (const name of ["mouseenter", "focusin"]) row.addEventListener(name, () => light(row, true));
    for (const name of ["mouseleave", "focusout"]) row.addEventListener(name, () => light(row, false));
  }
}

function scatter(pairs, a, b, told) {
  const size = 400, low = 46, high = size - 12;
  const top = Math.max(...pairs.flatMap(([u, v]) => [u, v]), 0.1) * 1.05;
  const at = (v) => low + (v / top) * (high - low);
  const x = (v) => at(v).toFixed(1), y = (v) => (size - at(v)).toFixed(1);
  const svg = make("svg:svg", { class: "plot", viewBox: `0 0 ${size} ${size + 6}`, role: "img", "aria-labelledby": "pairs-t pairs-d" },
    make("svg:title", { id: "pairs-t" }, `Error per case, ${a.name} against ${b.name}`),
    make("svg:desc", { id: "pairs-d" }, `${pairs.length} cases; a point above the diagonal is a case in which ${a.name} has the smaller error.`));
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200].find((s) => top / s <= 6) ?? top / 5;
  const label = (css, px, py, text) => svg.append(make("svg:text", { class: css, x: px, y: py }, text));
  for (let v = 0; v <= top; v += step) {
    svg.append(make("svg:path", { class: "grid", d: `M${x(v)} ${y(0)}V${y(top)}M${x(0)} ${y(v)}H${x(top)}` }));
    label("tick mid", x(v), size - low + 16, String(+v.toFixed(2)));
    if (v > 0) label("tick end", low - 6, +y(v) + 4, String(+v.toFixed(2)));
  }
  svg.append(make("svg:path", { class: "zero", d: `M${x(0)} ${y(0)}L${x(top)} ${y(top)}` }));
  for (const [u, v, name] of pairs) {
    const said = `${name}: A ${fixed(u)} mm, B ${fixed(v)} mm`;
    const point = make("svg:circle", { class: "scatter", cx: x(u), cy: y(v), r: 3.2 }, make("svg:title", {}, said));
    for (const event of ["pointerenter", "click"]) point.addEventListener(event, () => { told.textContent = said; });
    svg.append(point);
  }
  label("label mid", size / 2 + 16, size - 8, "A: mean radial error [mm]");
  label("label", 4, 12, "B [mm]");
  return svg;
}

// Which part of two methods' errors their difference is, over the landmarks of which both know it. Returns the part that
// differs most, of all landmarks and of each; nothing where it is not known.
function parts(root, a, b, landmarks) {
  const names = ["offset", "spread", "misses"];
  const told = [...Array(landmarks).keys()].filter((k) => a.parts?.[k] && b.parts?.[k]);
  root.hidden = !told.length || a === b;
  if (root.hidden) return [];
  const sides = [a, b].map((row) => [0, 1, 2, 3].map((part) => mean(told.map((k) => row.parts[k][part])) / 1000));
  const most = (differences) => differences.reduce((best, d, i) => (Math.abs(d) > Math.abs(differences[best]) ? i : best), 0);
  const said = (differences) => `${names[most(differences)]} ${signed(differences[most(differences)])}`;
  const apart = (k) => names.map((_, part) => (a.parts[k][part] - b.parts[k][part]) / 1000);
  const whole = names.map((_, part) => sides[0][part] - sides[1][part]);
  const sum = (side) => side[0] + side[1] + side[2];
  const lines = [...names.map((name, part) => [`${name}, mm²`, ...sides.map((side) => side[part])]),
    ["all, mm²", ...sides.map(sum)], ["MRE without offset, mm", ...sides.map((side) => side[3])]];
  root.querySelector("tbody").replaceChildren(...lines.map(([name, u, v], i) => make("tr", i === most(whole) ? { class: "best" } : {},
    make("th", { scope: "row" }, name), make("td", {}, fixed(u)), make("td", {}, fixed(v)), make("td", {}, signed(u - v)))));
  return [said(whole), ...[...Array(landmarks).keys()].map((k) => (told.includes(k) ? said(apart(k)) : "–"))];
}

function comparison(root) {
  const data = JSON.parse(document.getElementById("cases").textContent);
  const selects = all("select", root);
  const [verdict, figure, body, told, apart, made] = [".verdict", ".pairs", "tbody", ".point", ".apart", ".made"].map((s) => root.querySelector(s));
  const asked = told.textContent;
  for (const select of selects) data.rows.forEach((row, i) => select.append(make("option", { value: i }, row.name)));
  const wanted = new URLSearchParams(location.hash.slice(1));
  const place = (key, otherwise) => { const i = data.rows.findIndex((row) => row.key === key); return i < 0 ? otherwise : i; };
  selects[0].value = place(wanted.get("a"), 0);
  selects[1].value = place(wanted.get("b"), selects[0].value === "0" ? Math.min(1, data.rows.length - 1) : 0);
  const link = (row) => make(row.href ? "a" : "span", row.href ? { href: row.href } : {}, make("bdi", {}, row.name));
  const show = () => {
    const places = selects.map((select) => Number(select.value));
    const [a, b] = places.map((i) => data.rows[i]);
    const [between, half, sure] = a === b ? [0, 0, 0] : data.pairs[Math.max(...places)][Math.min(...places)];
    const present = a.cases.map((_, i) => i).filter((i) => a.cases[i] !== null && b.cases[i] !== null);
    if (between === null || !present.length) { verdict.textContent = "These two have no case in common."; figure.replaceChildren(); body.replaceChildren(); apart.textContent = ""; made.hidden = true; return; }
    const pairs = present.map((i) => [a.cases[i] / 1000, b.cases[i] / 1000, data.cases[i] ? `Case ${data.cases[i]}` : "A case"]);
    const differences = pairs.map(([u, v]) => u - v);
    const difference = (places[0] < places[1] ? -between : between) / 1000; // kept as the later row minus the earlier
    const [low, high] = [difference - half / 1000, difference + half / 1000];
    const wins = differences.filter((d) => d < 0).length, ties = differences.filter((d) => d === 0).length;
    const [first, second] = difference <= 0 ? [a, b] : [b, a];
    const alone = a.once || b.once;
    const apartBy = a.selection && b.selection && a.selection !== b.selection
      ? ` They are ranked apart: A was selected by ${a.selection}, B by ${b.selection}.` : "";
    verdict.replaceChildren(...(!sure
      ? [alone ? "One training says nothing of the next, so neither is surely better, " : "The data do not separate ", link(a), alone ? " or " : " from ", link(b), ": "]
      : [link(first), " has the smaller error than ", link(second), ": "]),
    `A − B is ${signed(difference)} mm (${half === null ? "no interval" : `95 % interval ${signed(low)} to ${signed(high)}`}); A is better in ${wins} of ${pairs.length} cases${ties ? `, equal in ${ties}` : ""}.${alone ? " The interval is of these trainings alone." : ""}${apartBy}`);
    told.textContent = asked;
    figure.replaceChildren(scatter(pairs, a, b, told));
    const most = data.cases.length && a !== b ? [...present.keys()].sort((i, j) => Math.abs(differences[j]) - Math.abs(differences[i])).slice(0, 5) : [];
    apart.textContent = most.length ? `Farthest apart, A − B in mm: ${most.map((i) => `${pairs[i][2].replace("Case ", "")} (${signed(differences[i])})`).join(", ")}.` : "";
    const mostly = parts(made, a, b, data.landmarks.length);
    root.querySelector(".mostly").hidden = !mostly.length;
    const lines = [["All landmarks", mean(pairs.map((p) => p[0])), mean(pairs.map((p) => p[1]))],
      ...data.landmarks.map((name, k) => [name, ...[a, b].map((row) => row.landmarks[k])])].map((line, i) => [...line, mostly[i]]);
    body.replaceChildren(...lines.filter(([, u, v]) => u !== null && v !== null).map(([name, u, v, most]) => make("tr", {}, make("th", { scope: "row" }, name),
      make("td", u < v ? { class: "best" } : {}, fixed(u)), make("td", v < u ? { class: "best" } : {}, fixed(v)), make("td", {}, signed(u - v)),
      ...(mostly.length ? [make("td", {}, most)] : []))));
    try { history.replaceState(null, "", `#a=${encodeURIComponent(a.key)}&b=${encodeURIComponent(b.key)}`); } catch { /* file:// */ }
  };
  for (const select of selects) select.addEventListener("change", show);
  root.querySelector(".swap").addEventListener("click", () => {
    [selects[0].value, selects[1].value] = [selects[1].value, selects[0].value];
    show();
  });
  root.hidden = false;
  show();
}

theme();
for (const table of all("table.board")) {
  lighting(table);
  const restore = [sorting(table), filtering(table, document.querySelector(".controls"))];
  for (const put of restore) put();
  window.addEventListener("hashchange", () => { for (const put of restore) put(); });
}
for (const root of all(".comparison")) comparison(root);
