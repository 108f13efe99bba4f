// One dialog for many rows: an opener tells the dialog what it is about. Choices that submit their form.
"use strict";

(() => {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (!opener) return;
    const dialog = document.getElementById(opener.dataset.opens);
    for (const { name, value } of opener.attributes) {
      if (name.startsWith("data-fill-")) {
        const field = dialog.querySelector(`[name="${name.slice("data-fill-".length)}"]`);
        if (field) field.value = value;
      } else if (name.startsWith("data-say-")) {
        const place = dialog.querySelector(`[data-says="${name.slice("data-say-".length)}"]`);
        if (place) place.textContent = value;
      }
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
})();
