// The image of a study: window and level, zoom and pan, layers with one opacity. No library.
"use strict";

(() => {
  const viewer = document.getElementById("viewer");
  const stage = viewer && viewer.querySelector(".stage");
  if (!stage) return;

  const plane = stage.querySelector(".plane");
  const canvas = stage.querySelector("canvas");
  const message = stage.querySelector(".viewer-message");
  const readout = stage.querySelector(".readout");
  const tools = viewer.querySelector(".viewer-tools");
  const columns = Number(viewer.dataset.columns);
  const rows = Number(viewer.dataset.rows);
  const aspect = Number(viewer.dataset.aspect) || 1;

  const MAX_ZOOM = 12;
  const STEP = 1.25;
  const OUTLINES = "outlines";

  let picture = null; // {values or rgb, facts}
  let window_ = { center: 0, width: 1 };
  let view = { zoom: 1, x: 0, y: 0 };

  // --- the picture --------------------------------------------------------------------------------------

  async function load() {
    const answer = await fetch(viewer.dataset.image, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const facts = JSON.parse(answer.headers.get("X-Picture-Facts"));
    const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
    picture = { facts, pixels, shown: context.createImageData(bitmap.width, bitmap.height) };
    if (facts.kind === "grey16") {
      picture.values = new Float32Array(bitmap.width * bitmap.height);
      for (let at = 0; at < picture.values.length; at += 1) {
        picture.values[at] = pixels[4 * at] * 256 + pixels[4 * at + 1] + facts.offset;
      }
    }
    resetWindow();
    message.hidden = true;
    focusOnRegions();
  }

  function paint() {
    if (!picture) return;
    const { facts, pixels, values, shown } = picture;
    const out = shown.data;
    const low = window_.center - window_.width / 2;
    const factor = 255 / window_.width;
    const flip = facts.inverted ? 255 : 0;
    if (values) {
      for (let at = 0; at < values.length; at += 1) {
        const grey = Math.abs(flip - Math.min(255, Math.max(0, (values[at] - low) * factor)));
        out[4 * at] = out[4 * at + 1] = out[4 * at + 2] = grey;
        out[4 * at + 3] = 255;
      }
    } else {
      for (let at = 0; at < pixels.length; at += 1) {
        out[at] = at % 4 === 3 ? 255 : (pixels[at] - low) * factor;
      }
    }
    canvas.getContext("2d").putImageData(shown, 0, 0);
  }

  // --- window -------------------------------------------------------------------------------------------

  function setWindow(center, width) {
    const range = Math.max(1, picture.facts.high - picture.facts.low);
    window_ = { center, width: Math.min(Math.max(width, range / 500), 20 * range) };
    tools.elements.center.value = Number(window_.center.toPrecision(5));
    tools.elements.width.value = Number(window_.width.toPrecision(5));
    requestAnimationFrame(paint);
  }

  function resetWindow() {
    setWindow(picture.facts.center, picture.facts.width);
  }

  // --- zoom and pan -------------------------------------------------------------------------------------

  function place() {
    const room = stage.getBoundingClientRect();
    const base = Math.min(room.width / (columns * aspect), room.height / rows);
    const width = columns * aspect * base * view.zoom;
    const height = rows * base * view.zoom;
    const spareX = Math.max(0, (width - room.width) / 2 + room.width / 3);
    const spareY = Math.max(0, (height - room.height) / 2 + room.height / 3);
    view.x = Math.min(spareX, Math.max(-spareX, view.x));
    view.y = Math.min(spareY, Math.max(-spareY, view.y));
    plane.style.width = `${width}px`;
    plane.style.height = `${height}px`;
    plane.style.left = `${(room.width - width) / 2 + view.x}px`;
    plane.style.top = `${(room.height - height) / 2 + view.y}px`;
    canvas.classList.toggle("crisp", base * view.zoom > 4);
  }

  function fit() {
    view = { zoom: 1, x: 0, y: 0 };
    place();
  }

  // a report page shows the scan small: begin at what was measured
  function focusOnRegions() {
    fit();
    const regions = stage.querySelector(`[data-layer="${OUTLINES}"]`).getBBox();
    const room = stage.getBoundingClientRect();
    if (!regions.height || regions.height > rows * 0.45) return;
    const base = Math.min(room.width / (columns * aspect), room.height / rows);
    const zoom = Math.min(MAX_ZOOM, (0.7 * room.height) / (regions.height * base), (0.7 * room.width) / (regions.width * aspect * base));
    if (zoom <= 1) return;
    view = {
      zoom,
      x: (columns / 2 - regions.x - regions.width / 2) * aspect * base * zoom,
      y: (rows / 2 - regions.y - regions.height / 2) * base * zoom,
    };
    place();
  }

  function zoomBy(factor, clientX, clientY) {
    const room = stage.getBoundingClientRect();
    const zoom = Math.min(MAX_ZOOM, Math.max(1, view.zoom * factor));
    const ratio = zoom / view.zoom;
    const fromX = (clientX ?? room.left + room.width / 2) - room.left - room.width / 2;
    const fromY = (clientY ?? room.top + room.height / 2) - room.top - room.height / 2;
    view = { zoom, x: fromX - ratio * (fromX - view.x), y: fromY - ratio * (fromY - view.y) };
    place();
  }

  function pan(x, y) {
    view.x += x;
    view.y += y;
    place();
  }

  // --- layers -------------------------------------------------------------------------------------------

  function show(name, on) {
    const layer = stage.querySelector(`[data-layer="${name}"]`);
    if (!layer) return;
    const box = tools.elements[name];
    if (box) box.checked = on;
    if (on && layer.dataset.src && !layer.getAttribute("src")) {
      layer.addEventListener("error", () => { layer.hidden = true; if (box) { box.checked = false; box.disabled = true; } });
      layer.setAttribute("src", layer.dataset.src);
    }
    layer.toggleAttribute("hidden", !on);
    const legend = stage.querySelector(`[data-legend="${name}"]`);
    if (legend) legend.hidden = !on;
  }

  function setOpacity() {
    const share = Number(tools.elements.opacity.value) / 100;
    for (const layer of stage.querySelectorAll("[data-layer]")) {
      layer.style.opacity = String(layer.dataset.layer === OUTLINES ? Math.max(share, 0.25) : share);
    }
  }

  function toggle(name) {
    const box = tools.elements[name];
    if (box && !box.disabled) show(name, !box.checked);
  }

  // --- what lies under the pointer ----------------------------------------------------------------------

  function tell(event) {
    const room = plane.getBoundingClientRect();
    const column = Math.floor(((event.clientX - room.left) / room.width) * canvas.width);
    const row = Math.floor(((event.clientY - room.top) / room.height) * canvas.height);
    if (!picture || !picture.values || column < 0 || row < 0 || column >= canvas.width || row >= canvas.height) {
      readout.textContent = "";
      return;
    }
    const { facts, values } = picture;
    const value = values[row * canvas.width + column];
    const real = facts.slope ? ` · ${(value * facts.slope + facts.intercept).toFixed(3)} ${facts.unit.replace("cm2", "cm²")}` : "";
    readout.textContent = `${column}, ${row} · ${value}${real}`;
  }

  // --- hands --------------------------------------------------------------------------------------------

  let drag = null;

  stage.addEventListener("pointerdown", (event) => {
    if (!picture || event.target.closest("button") || event.button === 2) return;
    stage.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, moves: event.shiftKey || event.button === 1, center: window_.center, width: window_.width };
    stage.classList.toggle("moving", drag.moves);
  });

  stage.addEventListener("pointermove", (event) => {
    tell(event);
    if (!drag) return;
    const x = event.clientX - drag.x;
    const y = event.clientY - drag.y;
    if (drag.moves) {
      pan(event.movementX, event.movementY);
    } else {
      const range = Math.max(1, picture.facts.high - picture.facts.low);
      setWindow(drag.center + (y / 300) * range, drag.width + (x / 300) * range);
    }
  });

  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, () => { drag = null; stage.classList.remove("moving"); });
  }
  stage.addEventListener("pointerleave", () => { if (!drag) readout.textContent = ""; });
  stage.addEventListener("dblclick", (event) => { if (!event.target.closest("button")) fit(); });
  stage.addEventListener("wheel", (event) => {
    if (document.activeElement !== stage && !event.ctrlKey) return; // a page scrolls until the image is chosen
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, event.clientX, event.clientY);
  }, { passive: false });

  const KEYS = {
    "+": () => zoomBy(STEP), "=": () => zoomBy(STEP), "-": () => zoomBy(1 / STEP), 0: fit,
    ArrowLeft: () => pan(40, 0), ArrowRight: () => pan(-40, 0), ArrowUp: () => pan(0, 40), ArrowDown: () => pan(0, -40),
    "[": () => setWindow(window_.center - window_.width / 20, window_.width), "]": () => setWindow(window_.center + window_.width / 20, window_.width),
    ",": () => setWindow(window_.center, window_.width / 1.1), ".": () => setWindow(window_.center, window_.width * 1.1),
    r: () => toggle(OUTLINES), m: () => toggle("mask"), h: () => toggle("drivers"), d: () => toggle("density"), s: () => toggle("strain"),
  };

  stage.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || !picture || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  tools.addEventListener("input", (event) => {
    const { name } = event.target;
    if (event.target.type === "checkbox") show(name, event.target.checked);
    else if (name === "opacity") setOpacity();
    else if (picture) {
      const center = tools.elements.center.valueAsNumber;
      const width = tools.elements.width.valueAsNumber;
      if (Number.isFinite(center) && width > 0) { window_ = { center, width }; requestAnimationFrame(paint); }
    }
  });
  tools.addEventListener("submit", (event) => event.preventDefault());

  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("[data-view]");
    if (!button || !picture) return;
    ({ in: () => zoomBy(STEP), out: () => zoomBy(1 / STEP), fit, window: resetWindow })[button.dataset.view]();
  });

  new ResizeObserver(place).observe(stage);
  setOpacity();
  place();
  load().catch(() => { message.textContent = viewer.dataset.failed; });
})();
