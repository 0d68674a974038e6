"use strict";
// Rates one item after the other, by mouse, touch or keyboard; keeps every step in this browser, and hands the
// work back as a file. Texts of the form are only ever written as text.
(() => {
  const byId = (id) => document.getElementById(id);
  const form = JSON.parse(byId("form").textContent);
  const root = document.documentElement;
  const STORE = `hunmin-ratings-${form.name}`;
  const THEMES = ["auto", "light", "dark"];
  const WORDS = {
    ko: {
      title: "답 평가", guide: "안내", other: "English", question: "질문", answer: "답", note: "메모 (적지 않아도 됩니다)",
      system: "설정", user: "질문", thought: "생각", call: "호출", tool: "도구", empty: "(빈 답)", tie: "비김",
      auto: "테마: 자동", light: "테마: 밝게", dark: "테마: 어둡게",
      item: (at, all) => `${at} / ${all}`, progress: (done, all) => `${all}개 가운데 ${done}개 평가함`,
      previous: "이전", next: "다음", open: "남은 것으로", json: "저장 (JSON)", csv: "저장 (CSV)", load: "저장한 JSON 열기",
      back: "돌려주기", backText: "평가는 이 브라우저에 저절로 남습니다. 다 되면, 또는 다른 컴퓨터에서 이어 하려면 파일로 저장하세요. 돌려줄 것은 그 파일 하나입니다.",
      keys: (most) => `자판만으로도 됩니다: 1–${most} 고르기, Backspace 앞 기준, Enter 다음, P 이전, U 남은 것으로.`,
      saved: (name, half) => `${name} 파일로 저장했습니다.` + (half ? ` 일부만 채운 것이 ${half}개 있습니다. 돌려주기 전에 마저 채워 주세요.` : ""),
      loaded: (count) => `${count}개의 평가를 불러왔습니다.`, foreign: "이 평가지의 파일이 아닙니다.",
      unkept: "이 브라우저는 평가를 저장해 두지 못합니다. 닫기 전에 파일로 저장하세요.",
    },
    en: {
      title: "Rating answers", guide: "Guide", other: "한국어", question: "Question", answer: "Answer", note: "Note (optional)",
      system: "System", user: "Question", thought: "Thought", call: "Call", tool: "Tool", empty: "(empty answer)", tie: "Tie",
      auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark",
      item: (at, all) => `${at} / ${all}`, progress: (done, all) => `${done} of ${all} rated`,
      previous: "Previous", next: "Next", open: "To what is left", json: "Save (JSON)", csv: "Save (CSV)", load: "Open a saved JSON",
      back: "Hand back", backText: "Ratings are kept in this browser as you go. Save them to a file when you are done, or to go on at another computer. That one file is what to hand back.",
      keys: (most) => `A keyboard is enough: 1–${most} choose, Backspace the criterion before, Enter next, P previous, U to what is left.`,
      saved: (name, half) => `Saved to ${name}.` + (half ? ` ${half} filled in part only: please complete before you hand back.` : ""),
      loaded: (count) => `${count} ratings loaded.`, foreign: "That is no file of this form.",
      unkept: "This browser keeps nothing. Save to a file before you close the page.",
    },
  };

  const state = { at: 0, language: form.language, theme: "auto", ratings: {} };
  let current = 0; // which criterion the keyboard fills in
  let unsaved = false;
  let said = null; // the last message, by language

  const words = () => WORDS[state.language];
  const ratingOf = (item) => (state.ratings[item.id] ??= {});
  const given = (item) => form.criteria.filter((one) => state.ratings[item.id]?.[one.name] !== undefined).length;
  const isDone = (item) => given(item) === form.criteria.length;
  const isHalf = (item) => given(item) > 0 && !isDone(item);

  // --- what is kept ---------------------------------------------------------------------------------------

  function restore() {
    try { Object.assign(state, known(JSON.parse(localStorage.getItem(STORE)) ?? {})); } catch { /* as on a first visit */ }
  }

  function known(kept) {
    const taken = {};
    if (Number.isInteger(kept.at) && kept.at >= 0 && kept.at < form.items.length) taken.at = kept.at;
    if (kept.language in WORDS) taken.language = kept.language;
    if (THEMES.includes(kept.theme)) taken.theme = kept.theme;
    taken.ratings = knownRatings(Object.entries(kept.ratings ?? {}).map(([id, one]) => ({ ...one, id })));
    return taken;
  }

  // Of saved ratings those that this form asks for.
  function knownRatings(saved) {
    const ids = new Set(form.items.map((item) => item.id));
    const ratings = {};
    for (const one of saved) {
      if (!ids.has(one.id)) continue;
      const taken = {};
      for (const { name } of form.criteria) if (form.replies.includes(String(one[name]))) taken[name] = String(one[name]);
      if (typeof one.note === "string" && one.note) taken.note = one.note;
      ratings[one.id] = taken;
    }
    return ratings;
  }

  function keep() {
    unsaved = true;
    try { localStorage.setItem(STORE, JSON.stringify(state)); } catch { byId("trouble").hidden = false; }
  }

  // --- what is shown --------------------------------------------------------------------------------------

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  const languageOf = (text) => (/[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]/.test(text) ? "ko" : /[A-Za-z]/.test(text) ? "en" : "");

  function saying(title, text, level) {
    const box = element("div", null, { class: "said", tabindex: "0", role: "region", "aria-label": title });
    box.append(element(level, title));
    if (text.trim()) box.append(element("div", text, { class: "text", lang: languageOf(text) }));
    else box.append(element("div", words().empty, { class: "muted" }));
    return box;
  }

  function showTexts() {
    const told = words();
    root.lang = state.language;
    document.title = byId("title").textContent = told.title;
    byId("switch-language").textContent = told.other;
    byId("switch-language").lang = state.language === "ko" ? "en" : "ko";
    byId("switch-theme").textContent = told[state.theme];
    if (state.theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = state.theme;
    byId("guide").firstElementChild.textContent = told.guide;
    byId("instructions").replaceChildren(...form.instructions[state.language].map((line) => element("p", line)));
    byId("keys").textContent = told.keys(form.replies.length);
    for (const [id, name] of [["previous", "previous"], ["next", "next"], ["open-item", "open"], ["save-json", "json"],
      ["save-csv", "csv"], ["load-text", "load"], ["hand-back-heading", "back"], ["hand-back-text", "backText"]]) {
      byId(id).textContent = told[name];
    }
    byId("trouble").textContent = told.unkept;
    byId("saved").textContent = said ? said(told) : "";
  }

  function showItem() {
    const item = form.items[state.at];
    byId("item").hidden = byId("ratings").hidden = item === undefined;
    if (item === undefined) return;
    const told = words();
    byId("item-heading").textContent = told.item(state.at + 1, form.items.length);
    byId("prompt").replaceChildren(...item.prompt.map((part) => saying(told[part.kind], part.text, "h3")));
    const sides = item.answers.length > 1 ? ["A", "B"] : [""];
    byId("answers").replaceChildren(
      ...item.answers.map((answer, side) => saying(`${told.answer} ${sides[side]}`.trim(), answer, "h3")));
    byId("ratings").replaceChildren(...form.criteria.map((criterion, place) => question(item, criterion, place)), noteOf(item));
    const open = form.criteria.findIndex((one) => ratingOf(item)[one.name] === undefined);
    setCurrent(open < 0 ? form.criteria.length - 1 : open);
    showProgress();
  }

  function question(item, criterion, place) {
    const set = element("fieldset", null, { "data-place": place });
    set.append(element("legend", criterion.title[state.language]));
    set.append(element("p", criterion.asks[state.language], { class: "asks", id: `asks-${criterion.name}` }));
    set.setAttribute("aria-describedby", `asks-${criterion.name}`);
    const replies = element("div", null, { class: "replies" });
    for (const reply of form.replies) {
      const label = element("label", reply === "tie" ? words().tie : reply);
      const input = element("input", null, { type: "radio", name: criterion.name, value: reply });
      input.checked = ratingOf(item)[criterion.name] === reply;
      input.addEventListener("change", () => rate(place, reply));
      label.append(input);
      replies.append(label);
    }
    set.append(replies);
    set.addEventListener("focusin", () => setCurrent(place));
    return set;
  }

  function noteOf(item) {
    const label = element("label", null, { class: "note" });
    const area = element("textarea", null, { id: "note" });
    area.value = ratingOf(item).note ?? "";
    area.addEventListener("input", () => {
      if (area.value) ratingOf(item).note = area.value;
      else delete ratingOf(item).note;
      keep();
    });
    label.append(element("span", words().note), area);
    return label;
  }

  function showProgress() {
    const done = form.items.filter(isDone).length;
    byId("progress").textContent = words().progress(done, form.items.length);
    byId("done").max = Math.max(form.items.length, 1);
    byId("done").value = done;
    byId("done").setAttribute("aria-label", byId("progress").textContent);
    byId("previous").disabled = state.at === 0;
    byId("next").disabled = state.at >= form.items.length - 1;
    byId("open-item").disabled = done === form.items.length;
  }

  function setCurrent(place) {
    current = place;
    for (const set of byId("ratings").querySelectorAll("fieldset")) {
      set.classList.toggle("current", Number(set.dataset.place) === place);
    }
  }

  // --- what the rater does --------------------------------------------------------------------------------

  function rate(place, reply) {
    ratingOf(form.items[state.at])[form.criteria[place].name] = reply;
    keep();
    showProgress();
    setCurrent(Math.min(place + 1, form.criteria.length - 1));
  }

  function go(at) {
    if (at < 0 || at >= form.items.length) return;
    state.at = at;
    keep();
    showItem();
    scrollTo(0, Math.max(0, byId("item").getBoundingClientRect().top + scrollY - document.querySelector(".top").offsetHeight - 8));
    byId("item-heading").focus({ preventScroll: true });
  }

  // The next item that is not rated whole, round and round.
  function goToOpen() {
    const order = form.items.map((_, step) => (state.at + 1 + step) % form.items.length);
    const at = order.find((place) => !isDone(form.items[place]));
    if (at !== undefined) go(at);
  }

  function press(event) {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !form.items.length) return;
    if (target.closest?.("textarea, input[type=file]")) return;
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
    if (digit && Number(digit[1]) <= form.replies.length) {
      const input = byId("ratings").querySelectorAll("fieldset")[current].querySelectorAll("input")[digit[1] - 1];
      input.checked = true;
      const place = current;
      if (document.activeElement?.matches("input[type=radio]")) input.focus();
      rate(place, input.value);
    } else if (event.code === "Backspace") setCurrent(Math.max(current - 1, 0));
    else if (event.code === "KeyP") go(state.at - 1);
    else if (event.code === "KeyU") goToOpen();
    else if (/^(?:Numpad)?Enter$/.test(event.code) && !target.closest?.("button, summary, a")) go(state.at + 1);
    else return;
    event.preventDefault();
  }

  // --- what is handed back --------------------------------------------------------------------------------

  const rated = () => form.items.filter((item) => given(item) || state.ratings[item.id]?.note);

  function asJson() {
    const ratings = rated().map((item) => ({ id: item.id, ...state.ratings[item.id] }));
    return JSON.stringify({ format: form.format, form: form.name, ratings }, null, 1);
  }

  function asCsv() {
    const names = form.criteria.map((one) => one.name);
    const cell = (text) => {
      const safe = /^[ \u3000]*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
      return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const rows = rated().map((item) => [
      `${form.name}.${item.id}`, ...names.map((name) => ratingOf(item)[name] ?? ""), ratingOf(item).note ?? "",
    ]);
    return "\ufeff" + [["id", ...names, "note"], ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
  }

  function save(text, suffix, type) {
    const name = `${form.name}${suffix}`;
    const link = element("a", null, { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    unsaved = false;
    say((told) => told.saved(name, form.items.filter(isHalf).length));
  }

  async function load(file) {
    let saved;
    try { saved = JSON.parse(await file.text()); } catch { saved = null; }
    if (saved?.format !== form.format || saved.form !== form.name || !Array.isArray(saved.ratings)) {
      say((told) => told.foreign);
      return;
    }
    const ratings = knownRatings(saved.ratings);
    Object.assign(state.ratings, ratings);
    keep();
    say((told) => told.loaded(Object.keys(ratings).length));
    showItem();
  }

  function say(message) {
    said = message;
    byId("saved").textContent = message(words());
  }

  byId("previous").addEventListener("click", () => go(state.at - 1));
  byId("next").addEventListener("click", () => go(state.at + 1));
  byId("open-item").addEventListener("click", goToOpen);
  byId("save-json").addEventListener("click", () => save(asJson(), ".json", "application/json"));
  byId("save-csv").addEventListener("click", () => save(asCsv(), ".csv", "text/csv"));
  byId("load").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) load(file);
    event.target.value = "";
  });
  byId("switch-language").addEventListener("click", () => {
    state.language = state.language === "ko" ? "en" : "ko";
    keep();
    showTexts();
    showItem();
  });
  byId("switch-theme").addEventListener("click", () => {
    state.theme = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
    keep();
    showTexts();
  });
  byId("ratings").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", press);
  addEventListener("beforeunload", (event) => {
    if (unsaved && !byId("trouble").hidden) event.preventDefault(); // nothing else holds the work
  });

  restore();
  showTexts();
  showItem();
  showProgress();
})();
