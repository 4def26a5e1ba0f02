(() => {
  for (const moving of document.getAnimations()) {
    // What never ends cannot be led to its end: it is taken back to where it began.
    try { moving.finish(); } catch { moving.cancel(); }
  }
})()
