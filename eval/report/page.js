"use strict";
// The theme's button, and search in the answers. The page says everything without this script.
(() => {
  const THEMES = ["auto", "light", "dark"];
  const FEW = 5; // samples of each task while several tasks are shown
  const MANY = 20;
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  let theme = "auto";

  function applyTheme(name) {
    theme = THEMES.includes(name) ? name : "auto";
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  }

  // A browser may refuse storage to a local file.
  function remembered() {
    try { return localStorage.getItem("hunmin-theme"); } catch { return null; }
  }
  function remember(name) {
    try { localStorage.setItem("hunmin-theme", name); } catch { /* then it lasts as long as the page */ }
  }

  // Typed and stored Hangul may be composed or not; both are compared composed.
  const plain = (text) => text.normalize("NFC").toLowerCase();

  // What a word may become whose last syllable is still being typed: 맛 is on its way to 마시, 이 to 있.
  function spellings(word) {
    const head = word.slice(0, -1);
    const syllable = word.charCodeAt(word.length - 1) - 0xac00;
    if (/[ㄱ-ㅣ]$/.test(word)) return [head];
    if (!(syllable >= 0 && syllable < 11_172)) return [word];
    const open = 0xac00 + syllable - (syllable % 28); // without its final consonant, then with each
    return Array.from({ length: 28 }, (_, final) => head + String.fromCharCode(open + final));
  }

  function setUpTheme() {
    const button = byId("theme");
    const told = () => { button.textContent = `Theme: ${theme}`; };
    button.addEventListener("click", () => {
      applyTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
      remember(theme);
      told();
    });
    told();
    button.hidden = false;
  }

  function setUpAnswers() {
    const controls = byId("controls");
    if (!controls) return;
    const query = byId("query");
    const task = byId("task");
    const outcome = byId("outcome");
    const status = byId("matches");
    const groups = [...document.querySelectorAll("section.task-answers")].map((section) => ({
      section,
      button: section.querySelector(".further"),
      limit: FEW,
      found: [],
      samples: [...section.querySelectorAll(".sample")].map((article) => ({ article, text: null })),
    }));
    const unfolded = new Set(); // by a search, not by the reader
    const total = groups.reduce((sum, group) => sum + group.samples.length, 0);

    function textOf(sample) {
      sample.text ??= plain([...sample.article.querySelectorAll(".text, .key")].map((part) => part.textContent).join("\n"));
      return sample.text;
    }

    function hasOutcome(article, wanted) {
      const { right, change } = article.dataset;
      if (wanted === "changed") return change === "better" || change === "worse";
      return !wanted || right === wanted || change === wanted;
    }

    const terms = () => plain(query.value).split(/\s+/).filter(Boolean);

    function filter(event) {
      const composing = event?.isComposing === true;
      const words = terms().map((word, at, all) =>
        composing && at === all.length - 1 ? spellings(word) : [word]);
      const wanted = outcome ? outcome.value : "";
      const found = groups.map((group) => {
        const inTask = !task.value || group.section.dataset.task === task.value;
        return group.samples.filter((sample) =>
          inTask && hasOutcome(sample.article, wanted) &&
          words.every((word) => word.some((spelling) => textOf(sample).includes(spelling))));
      });
      if (composing && found.every((samples) => samples.length === 0)) return; // the next key may change it
      groups.forEach((group, at) => {
        group.limit = task.value ? MANY : FEW;
        group.found = found[at];
      });
      show();
    }

    function show() {
      const words = terms();
      let found = 0;
      let shown = 0;
      for (const group of groups) {
        const visible = new Set(group.found.slice(0, group.limit));
        for (const sample of group.samples) sample.article.hidden = !visible.has(sample);
        const rest = group.found.length - visible.size;
        group.section.hidden = group.found.length === 0;
        group.button.hidden = rest === 0;
        group.button.textContent = `Show ${Math.min(MANY, rest)} more of ${rest}`;
        found += group.found.length;
        shown += visible.size;
        for (const sample of visible) unfold(sample, words);
      }
      mark(words);
      const what = query.value.trim() ? `“${query.value.trim()}”` : "these filters";
      if (found === 0) status.textContent = `No sample matches ${what}.`;
      else if (found === total) status.textContent = `${total} samples, ${shown} shown.`;
      else status.textContent = `${found} of ${total} samples match, ${shown} shown.`;
    }

    // A match inside a folded text is worth unfolding it, once for each search.
    function unfold(sample, words) {
      const searched = words.join(" ");
      if (sample.searched === searched) return;
      sample.searched = searched;
      for (const folded of sample.article.querySelectorAll("details.folded")) {
        const lead = plain(folded.querySelector(".lead").textContent);
        const whole = plain(folded.querySelector("div.text").textContent);
        setOpen(folded, words.some((word) => whole.includes(word) && !lead.includes(word)));
      }
      for (const further of sample.article.querySelectorAll("details:not(.folded)")) {
        setOpen(further, words.some((word) => plain(further.textContent).includes(word)));
      }
    }

    // What the reader opened stays open.
    function setOpen(details, wanted) {
      if (wanted && !details.open) unfolded.add(details);
      else if (wanted || !unfolded.delete(details)) return;
      details.open = wanted;
    }

    function mark(words) {
      if (!window.Highlight || !CSS.highlights) return;
      const found = new Highlight();
      if (words.length) for (const group of groups) {
        for (const sample of group.found.slice(0, group.limit)) {
          for (const part of sample.article.querySelectorAll(".text, .key")) markIn(part.firstChild, words, found);
        }
      }
      CSS.highlights.set("found", found);
    }

    function markIn(node, words, found) {
      const text = node ? plain(node.data) : "";
      if (!node || text.length !== node.length) return; // places would differ
      for (const word of words) {
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + word.length);
          found.add(range);
        }
      }
    }

    // An address that names a sample shows it, whatever was filtered.
    function reveal() {
      const id = location.hash.slice(1);
      for (const group of groups) {
        const at = group.samples.findIndex((sample) => sample.article.id === id);
        if (at < 0) continue;
        if (!group.samples[at].article.hidden) return;
        query.value = task.value = "";
        if (outcome) outcome.value = "";
        filter();
        group.limit = Math.max(group.limit, at + 1);
        show();
        group.samples[at].article.scrollIntoView();
        group.samples[at].article.focus();
      }
    }

    for (const group of groups) {
      group.button.addEventListener("click", () => {
        const next = group.found[group.limit];
        group.limit += MANY;
        show();
        next.article.focus();
      });
    }
    document.addEventListener("click", (event) => {
      const summary = event.target.closest?.("summary");
      if (summary) unfolded.delete(summary.parentElement); // now it is as the reader wants it
    });
    query.addEventListener("input", filter);
    query.addEventListener("compositionend", () => filter());
    task.addEventListener("change", filter);
    outcome?.addEventListener("change", filter);
    controls.addEventListener("reset", () => setTimeout(filter)); // after the fields are empty
    controls.addEventListener("submit", (event) => {
      event.preventDefault();
      groups.find((group) => group.found.length)?.found[0].article.focus();
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input, select, textarea");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      query.focus();
      query.select();
    });
    addEventListener("hashchange", reveal);
    controls.hidden = false;
    filter();
    reveal();
  }

  applyTheme(remembered());
  document.addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    setUpAnswers();
  });
})();
