/* A layer of the map that a function paints on a canvas. */

import { ratio } from './symbols.js';

export const Painting = L.Renderer.extend({
  initialize(paint, options) {
    L.Renderer.prototype.initialize.call(this, { padding: 0.2, ...options });
    this.paint = paint;
  },
  _initContainer() {
    this._container = document.createElement('canvas');
    this._container.setAttribute('aria-hidden', 'true');
  },
  _destroyContainer() {
    this._container.remove();
  },
  _reset() {}, // a moveend follows, and with it the update
  _update() {
    if (this._map._animatingZoom && this._bounds) return;
    L.Renderer.prototype._update.call(this);
    const { x, y } = this._bounds.getSize();
    L.DomUtil.setPosition(this._container, this._bounds.min);
    Object.assign(this._container, { width: x * ratio, height: y * ratio });
    Object.assign(this._container.style, { width: `${x}px`, height: `${y}px` });
    this.repaint();
  },
  repaint() {
    if (!this._bounds) return;
    const context = this._container.getContext('2d');
    const { min } = this._bounds;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this._container.width, this._container.height);
    context.setTransform(ratio, 0, 0, ratio, -min.x * ratio, -min.y * ratio);
    this.paint(context, this._bounds);
  },
});
