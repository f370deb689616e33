// What the theme leaves out for keyboards and screen readers.
for (const caption of document.querySelectorAll('.caption[role="heading"]')) {
  caption.setAttribute("aria-level", "2");
}
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "This page");

// Blocks that are wider than their place scroll, so the keyboard must reach them.
function reach() {
  for (const block of document.querySelectorAll("pre, .math, .table-wrapper")) {
    if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
    else block.removeAttribute("tabindex");
  }
}
addEventListener("load", reach);
addEventListener("resize", reach);
