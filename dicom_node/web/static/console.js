// What the pages do beyond htmx: dialogs, local times, the menu on small screens, what is said when requests fail.
"use strict";

// scripts come after the page is seen: until then a button would take a press and do nothing (console.css)
document.addEventListener("DOMContentLoaded", () => document.documentElement.classList.add("ready"));

(() => {
  // dates as the reader's region writes them, as long as the page speaks the reader's language
  const spoken = document.documentElement.lang;
  const language = navigator.languages.find((tag) => tag.split("-")[0] === spoken.split("-")[0]) ?? spoken;

  const styles = {
    full: { dateStyle: "medium", timeStyle: "medium" },
    day: { dateStyle: "medium" },
    time: { timeStyle: "medium" },
  };

  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

  function ago(moment) {
    const seconds = (moment.getTime() - Date.now()) / 1000;
    for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
    }
    return relative.format(Math.trunc(seconds), "second");
  }

  function showLocalTimes(root) {
    const times = root.querySelectorAll("time[data-local]");
    for (const element of times) {
      const moment = new Date(element.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      const full = new Intl.DateTimeFormat(language, styles.full).format(moment);
      const style = element.dataset.local;
      element.textContent = style === "ago" ? ago(moment) : new Intl.DateTimeFormat(language, styles[style]).format(moment);
      element.title = full;
    }
  }

  // what scrolls can be reached, and then scrolled, by keyboard; what does not scroll is no stop on the way
  function letScroll() {
    for (const part of document.querySelectorAll(".table, .inset, pre")) {
      const scrolls = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
      if (scrolls) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  }

  function toast(text) {
    const place = document.getElementById("toasts");
    const line = document.createElement("p");
    line.textContent = text;
    place.replaceChildren(line);
    setTimeout(() => line.remove(), 8000);
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog").close();
    const toggle = event.target.closest("[data-toggle]");
    if (toggle) {
      const open = document.getElementById(toggle.dataset.toggle).classList.toggle("open");
      toggle.setAttribute("aria-expanded", String(open));
    }
    const copier = event.target.closest("[data-copies]");
    if (copier) navigator.clipboard.writeText(document.getElementById(copier.dataset.copies).textContent);
  });

  // a form is sent once, however often its button is pressed
  document.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button[type=submit]");
    if (button && event.target.method === "post") setTimeout(() => { button.disabled = true; }, 0);
  });

  // the history cache must not bring back a disabled button
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[type=submit][disabled]")) button.disabled = false;
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    showLocalTimes(event.target);
    letScroll();
  });
  document.addEventListener("toggle", letScroll, true);
  window.addEventListener("resize", letScroll);
  document.addEventListener("htmx:sendError", () => toast(document.getElementById("toasts").dataset.failed));
  document.addEventListener("htmx:responseError", (event) => {
    const answer = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
    const problem = answer.querySelector("[role=alert]");
    toast(problem ? problem.textContent.trim() : document.getElementById("toasts").dataset.failed);
  });
  document.addEventListener("htmx:sseError", () => {
    document.body.classList.add("offline");
    toast(document.getElementById("toasts").dataset.offline);
  });
  document.addEventListener("htmx:sseOpen", () => document.body.classList.remove("offline"));

  // a link to something inside a closed part opens that part
  function openTarget() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }
  window.addEventListener("hashchange", openTarget);
  openTarget();

  showLocalTimes(document);
  letScroll();
  setInterval(() => showLocalTimes(document), 30000);
})();
