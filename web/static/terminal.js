"use strict";
// While an answer is awaited: look now and then, and show the page anew once something changed, unless somebody writes.
(() => {
  const table = document.getElementById("asked");
  const states = table.dataset.states;
  let touched = false;
  document.addEventListener("input", () => { touched = true; });

  async function look() {
    const answer = await fetch(`/api/terminals/commands?key=${encodeURIComponent(table.dataset.key)}`);
    if (!answer.ok) return;
    const { commands } = await answer.json();
    const now = commands.map((each) => `${each.command_id} ${each.state},`).join("");
    if (now !== states && !touched) window.location.reload();
  }
  setInterval(() => { look().catch(() => undefined); }, 2000);
})();
