"use strict";
(() => {
  // Counts script errors, failed pictures and refusals of the policy in data-errors, where tests read it.
  let errors = 0;
  const count = () => {
    errors += 1;
    if (document.body) document.body.dataset.errors = errors;
  };
  addEventListener("error", count, true);
  addEventListener("unhandledrejection", count);
  document.addEventListener("securitypolicyviolation", count);

  const LINE = 0.052, HEAD = 0.085; // metres
  const TURN = Math.PI / 9, TILT = Math.PI * 8 / 180;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const colours = {};

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

  /** A name as plain text; a long one scrolls, and its tooltip shows all of it. */
  const named = (tag, text) => make(tag, { className: "name", textContent: text, dir: "auto", title: text });

  /** One motion in metres as the camera sees it: points (T, V, 3) with x to the right, y up, z towards the viewer. */
  function unpack(clip, sample) {
    const bytes = Uint8Array.from(atob(clip.data), (letter) => letter.charCodeAt(0));
    const codes = new DataView(bytes.buffer);
    const { channels: C, frames: T, step } = clip;
    const V = bytes.length / (2 * clip.samples * T * C);
    const points = new Float32Array(T * V * 3), origin = clip.origin[sample];
    for (let i = 0; i < T * V; i++) {
      const at = 2 * C * (sample * T * V + i);
      const [x, y, z] = [0, 1, 2].map((axis) => (axis < C ? step * codes.getInt16(at + 2 * axis, true) : 0) - origin[axis]);
      points.set(C === 2 ? [x, y, 0] : [-x, y, -z], 3 * i);
    }
    return { points, T, V, flat: C === 2, leaves: clip.leaves[sample] };
  }

  /** A camera that turns around the middle of a motion, `distance` metres away, at the height `middle`. */
  function camera(yaw, tilt, middle, distance) {
    const [cy, sy, ct, st] = [Math.cos(yaw), Math.sin(yaw), Math.cos(tilt), Math.sin(tilt)];
    return (x, y, z) => {
      const right = x * cy + z * sy, near = z * cy - x * sy;
      const up = (y - middle) * ct - near * st, depth = near * ct + (y - middle) * st;
      const scale = distance / Math.max(distance - depth, 0.1 * distance); // points behind the camera stay large
      return [right * scale, up * scale, depth, scale];
    };
  }

  /** The frame of a row from an angle: a camera, and the part of its picture that holds the frame. */
  function framed([side, front, bottom, top], yaw, tilt) {
    const reach = Math.hypot(side, front);
    const see = camera(yaw, tilt, top / 2, Math.max(7, 5 * reach));
    let half = 0, low = Infinity, high = -Infinity;
    for (const x of [-side, side]) {
      for (const y of [-bottom, top]) {
        for (const z of [-front, front]) {
          const [u, v] = see(x, y, z);
          half = Math.max(half, Math.abs(u));
          low = Math.min(low, v);
          high = Math.max(high, v);
        }
      }
    }
    return { see, half, low, high, reach };
  }

  class Scene {
    constructor(section, data) {
      Object.assign(this, { section, data, position: 0, speed: 1, loop: true, sample: 0, row: 0 });
      this.playing = !still.matches;
      this.flat = data.clips[0].channels === 2;
      this.find = (name) => section.querySelector(name);
      this.stage = this.find(".stage");
      this.groups = []; // the rows shown, each with its cells
      this.watch = new IntersectionObserver((entries) => {
        for (const entry of entries) entry.target.cell.visible = entry.isIntersecting;
        wake();
      });
      this.sized = new ResizeObserver(() => this.redraw());
      this.turnBack();
      this.listen();
      this.show();
    }

    listen() {
      const on = (name, type, does) => this.find(name).addEventListener(type, does);
      on(".play", "click", () => this.play(!this.playing));
      on(".frame", "input", (event) => {
        this.play(false);
        this.position = Number(event.target.value);
        this.redraw();
      });
      on(".speed", "change", (event) => (this.speed = Number(event.target.value)));
      on(".loop", "change", (event) => (this.loop = event.target.checked));
      on(".row", "change", (event) => this.show({ row: event.target.value }));
      on(".sample", "change", (event) => this.show({ sample: event.target.value }));
      let grip = null; // the last place of the pointer while it drags
      on(".stage", "pointerdown", (event) => {
        if (event.target.tagName !== "CANVAS") return;
        grip = [event.clientX, event.clientY];
        event.target.setPointerCapture(event.pointerId);
      });
      on(".stage", "pointermove", (event) => {
        if (!grip) return;
        this.turn((event.clientX - grip[0]) / 120, (event.clientY - grip[1]) / 120);
        grip = [event.clientX, event.clientY];
      });
      for (const type of ["pointerup", "pointercancel"]) on(".stage", type, () => (grip = null));
      on(".stage", "dblclick", () => this.turnBack());
      on(".stage", "keydown", (event) => {
        const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
        if (event.key === "Home") this.turnBack();
        else if (event.key in turns) this.turn(...turns[event.key]);
        else return;
        event.preventDefault();
      });
    }

    turn(yaw, tilt) {
      this.yaw += yaw;
      this.tilt = clamp(this.tilt + tilt, -0.2, 1.4);
      this.redraw();
    }

    turnBack() {
      [this.yaw, this.tilt] = this.flat ? [0, 0] : [TURN, TILT];
      this.redraw();
    }

    play(playing) {
      if (playing && !this.loop && this.position >= this.last) this.position = 0;
      this.playing = playing;
      this.find(".play").textContent = playing ? "Pause" : "Play";
      wake();
    }

    get last() {
      return Number(this.find(".frame").max);
    }

    /** The motion in a cell; null for an empty cell. */
    motion(row, column) {
      const clip = this.data.clips.find((candidate) => candidate.row === row && candidate.column === column);
      return clip && this.sample < clip.samples ? unpack(clip, this.sample) : null;
    }

    /** Lay out one class as large cells, or all classes as a table. */
    show({ row = this.row, sample = this.sample } = {}) {
      const { rows, columns } = this.data;
      this.row = row === "all" ? "all" : clamp(Math.floor(Number(row)) || 0, 0, rows.length - 1);
      this.sample = clamp(Math.floor(Number(sample)) || 0, 0, this.find(".sample").length - 1);
      this.find(".row").value = this.row;
      this.find(".sample").value = this.sample;
      this.find(".row").title = this.row === "all" ? "" : rows[this.row];
      this.watch.disconnect();
      this.sized.disconnect();
      this.groups = [];
      const group = (i) => {
        const cells = columns.map((column, j) => this.cell(i, j)), filled = cells.filter((cell) => cell.motion);
        if (filled.length) {
          // The cells of a row are as wide or as high as its frame, within reason.
          const view = framed(this.data.frames[i], ...(this.flat ? [0, 0] : [TURN, TILT]));
          const shape = clamp((2 * view.half) / (view.high - view.low), 0.7, 1.35);
          for (const cell of cells) (cell.canvas ?? cell.box).style.aspectRatio = String(shape);
        }
        filled.frame = this.data.frames[i];
        this.groups.push(filled);
        return cells;
      };
      if (this.row === "all") {
        const head = make("tr", {}, make("th"), ...columns.map((name) => make("th", { scope: "col" }, named("span", name))));
        const body = rows.map((name, i) =>
          make("tr", {}, make("th", { scope: "row" }, named("span", name)), ...group(i).map((cell) => make("td", {}, cell.box))));
        const table = make("table", { className: "clips" }, make("thead", {}, head), make("tbody", {}, ...body));
        table.style.minWidth = `${6 + 7 * columns.length}rem`;
        table.style.maxWidth = `${8 + 13 * columns.length}rem`;
        this.stage.replaceChildren(make("div", { className: "scroll" }, table));
      } else {
        const figures = group(this.row).map((cell, j) =>
          make("figure", {}, make("figcaption", {}, named("div", columns[j])), cell.box));
        const grid = make("div", { className: "side-by-side" }, ...figures);
        grid.style.maxWidth = `${24 * columns.length}rem`;
        this.stage.replaceChildren(grid);
      }
      for (const cell of this.groups.flat()) {
        const { top, bottom } = cell.canvas.getBoundingClientRect(); // the observer reports only after the first frame
        cell.visible = top < innerHeight && bottom > 0;
        this.watch.observe(cell.canvas);
        this.sized.observe(cell.canvas);
      }
      this.redraw();
    }

    cell(row, column) {
      const motion = this.motion(row, column), note = make("div", { className: "note" });
      if (!motion) {
        note.textContent = "no motion";
        return { motion, box: make("div", { className: "cell" }, note) };
      }
      const name = `${this.data.columns[column]}: ${this.data.rows[row]}`, { leaves } = motion;
      const canvas = make("canvas", { role: "img", ariaLabel: leaves ? `${name}; leaves the frame: ${leaves}` : name });
      const box = make("div", { className: leaves ? "cell leaves" : "cell", title: leaves }, canvas, note);
      note.textContent = leaves ? "leaves the frame" : "";
      const cell = { motion, canvas, note, box, pen: canvas.getContext("2d"), visible: false, drawn: -1 };
      canvas.cell = cell;
      return cell;
    }

    redraw() {
      for (const cell of this.groups.flat()) cell.drawn = -1;
      for (const group of this.groups) group.view = null;
      wake();
    }

    /** Move the clock. */
    advance(seconds) {
      if (!this.playing) return;
      this.position += seconds * this.data.fps * this.speed;
      if (this.loop) this.position %= this.last + 1;
      else if (this.position >= this.last) {
        this.position = this.last;
        this.play(false);
      }
    }

    /** Draw the visible cells whose frame has changed, or all of them. */
    draw(all = false) {
      const frame = Math.floor(this.position);
      if (frame !== this.shownFrame) {
        this.shownFrame = frame;
        this.find(".frame").value = frame;
        this.find(".clock").textContent =
          `${frame + 1} of ${this.last + 1}, ${(frame / this.data.fps).toFixed(2)} s`;
      }
      for (const group of this.groups) {
        for (const cell of group) {
          const time = frame % cell.motion.T; // shorter motions begin again
          if (!(cell.visible || all) || time === cell.drawn) continue;
          group.view ??= framed(group.frame, this.yaw, this.tilt);
          cell.drawn = time;
          this.paint(cell, time, group.view);
        }
      }
    }

    paint({ canvas, pen, motion }, frame, view) {
      const ratio = devicePixelRatio || 1;
      const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
      const scale = Math.min(width / (2 * view.half), height / (view.high - view.low));
      const ground = height / 2 + (scale * (view.high + view.low)) / 2;
      const place = (u, v) => [width / 2 + scale * u, ground - scale * v];
      pen.clearRect(0, 0, width, height);
      pen.lineCap = "round";

      pen.beginPath();
      const line = (a, b) => {
        pen.moveTo(...place(...view.see(...a)));
        pen.lineTo(...place(...view.see(...b)));
      };
      const side = Math.ceil(2 * view.reach) / 2 + 0.5;
      if (motion.flat) line([-9 * side, 0, 0], [9 * side, 0, 0]);
      else {
        for (let x = -side; x <= side; x += Math.max(0.5, side / 20)) {
          line([x, 0, -side], [x, 0, side]);
          line([-side, 0, x], [side, 0, x]);
        }
      }
      pen.strokeStyle = colours.line;
      pen.lineWidth = ratio;
      pen.stroke();

      const joints = [];
      for (let v = 0; v < motion.V; v++) {
        const at = 3 * (frame * motion.V + v);
        const [u, up, depth, near] = view.see(motion.points[at], motion.points[at + 1], motion.points[at + 2]);
        joints.push([...place(u, up), depth, near * scale]);
      }
      const bones = this.data.bones.map(([a, b, kind]) => [joints[a], joints[b], colours[kind]]);
      bones.sort((one, other) => one[0][2] + one[1][2] - other[0][2] - other[1][2]); // far ones first
      for (const [a, b, colour] of bones) {
        pen.beginPath();
        pen.moveTo(a[0], a[1]);
        pen.lineTo(b[0], b[1]);
        pen.strokeStyle = colour;
        pen.lineWidth = Math.max(1.5 * ratio, (LINE * (a[3] + b[3])) / 2);
        pen.stroke();
      }
      if (this.data.head !== null) {
        const [x, y, , near] = joints[this.data.head];
        pen.beginPath();
        pen.arc(x, y, Math.max(2 * ratio, HEAD * near), 0, 2 * Math.PI);
        pen.fillStyle = colours.middle;
        pen.fill();
      }
    }
  }

  const scenes = [];
  let asleep = true, before = null;

  function wake() {
    if (!asleep) return;
    asleep = false;
    before = null;
    requestAnimationFrame(tick);
  }

  /** One step of the only clock. It stops when nothing visible plays, until `wake`. */
  function tick(now) {
    asleep = true;
    const seconds = before === null ? 0 : Math.min((now - before) / 1000, 0.25);
    let busy = false;
    for (const scene of scenes) {
      const visible = scene.groups.flat().some((cell) => cell.visible);
      if (visible) scene.advance(seconds);
      scene.draw();
      busy ||= visible && scene.playing;
    }
    document.body.dataset.ready = "true";
    if (busy && asleep) {
      asleep = false;
      before = now;
      requestAnimationFrame(tick);
    }
  }

  /** Show what the address asks for: #scene=0&row=3&sample=1&frame=10&yaw=1&tilt=0.2&paused, row=all for all. */
  function follow() {
    const options = new URLSearchParams(location.hash.slice(1));
    const scene = scenes[options.get("scene")];
    if (!scene) return;
    if (options.has("frame")) scene.position = clamp(Math.floor(Number(options.get("frame"))) || 0, 0, scene.last);
    for (const name of ["yaw", "tilt"]) if (options.has(name)) scene[name] = Number(options.get(name)) || 0;
    scene.show({ row: options.get("row") ?? scene.row, sample: options.get("sample") ?? scene.sample });
    scene.play(!options.has("paused") && scene.playing);
    scene.section.scrollIntoView({ block: "nearest" });
  }

  function paints() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["left", "right", "middle", "line"]) colours[name] = style.getPropertyValue(`--${name}`).trim();
    for (const scene of scenes) scene.redraw();
  }

  addEventListener("DOMContentLoaded", () => {
    document.body.dataset.errors = errors;
    const data = document.getElementById("scenes");
    const sections = document.querySelectorAll("section.scene");
    paints();
    if (data) JSON.parse(data.textContent).forEach((scene, i) => scenes.push(new Scene(sections[i], scene)));
    for (const scene of scenes) scene.play(scene.playing);
    follow();
    addEventListener("hashchange", follow);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paints);
    addEventListener("beforeprint", () => scenes.forEach((scene) => scene.draw(true)));
    addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target.closest("button, select, summary, a, [type=checkbox]")) return;
      const near = event.target.closest("section.scene");
      const scene = scenes.find((candidate) => candidate.section === near)
        ?? scenes.find((candidate) => candidate.groups.flat().some((cell) => cell.visible));
      if (!scene) return;
      scene.play(!scene.playing);
      event.preventDefault();
    });
    wake();
  });
})();
