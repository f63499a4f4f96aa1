// The index of the API shows the rows that hold every word typed into its field.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("#every-object table");
  if (!table) return;
  const rows = [...table.querySelectorAll("tbody tr")];
  const field = document.createElement("input");
  const count = document.createElement("span");
  field.type = "search";
  field.className = "api-filter form-control";
  field.placeholder = "Filter by words of the name or the line";
  field.setAttribute("aria-label", field.placeholder);
  count.className = "api-filter-count";
  count.setAttribute("role", "status");
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = rows.filter((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      return !row.hidden;
    });
    count.textContent = `${shown.length} of ${rows.length}`;
  };
  field.addEventListener("input", filter);
  const place = table.closest(".pst-scrollable-table-container") || table;
  place.before(field, count);
  filter();
});
