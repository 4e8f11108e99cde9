"use strict";
// The keys of a review; none acts while somebody writes.
(() => {
  const targets = {
    j: () => document.querySelector('a[rel="next"]'),
    k: () => document.querySelector('a[rel="prev"]'),
    e: () => document.querySelector("a.evidence"),
    o: () => document.querySelector('button[data-key="o"]'),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    if (event.key === "r") {
      const reason = document.querySelector('textarea[data-key="r"]');
      if (reason) {
        event.preventDefault();
        reason.focus();
      }
      return;
    }
    const target = targets[event.key]?.();
    if (target) target.click();
  });
})();
