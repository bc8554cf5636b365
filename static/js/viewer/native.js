// Native resolution: the desktop has one pixel for each pixel of this screen, and noVNC draws it as large as the window.
// noVNC itself uses CSS pixels, each of which covers several pixels of a HiDPI screen.

export const withNativeResolution = (RFB) =>
  class extends RFB {
    native = false;
    #resizing = false;

    _requestRemoteResize() {
      this.#resizing = true;
      super._requestRemoteResize();
      this.#resizing = false;
    }

    _screenSize() {
      const { w, h } = super._screenSize();
      if (!this.#resizing || !this.native) return { w, h };
      return { w: Math.floor(w * devicePixelRatio), h: Math.floor(h * devicePixelRatio) };
    }
  };
