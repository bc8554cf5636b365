// Native resolution: the desktop gets a dot for each dot of this screen, and noVNC draws it as large as the window.
// noVNC itself knows CSS pixels only, of which a HiDPI screen has two or more dots each.

export const withNativeResolution = (RFB) =>
  class extends RFB {
    native = false;
    #asking = false;

    _requestRemoteResize() {
      this.#asking = true;
      super._requestRemoteResize();
      this.#asking = false;
    }

    _screenSize() {
      const { w, h } = super._screenSize();
      if (!this.#asking || !this.native) return { w, h };
      return { w: Math.floor(w * devicePixelRatio), h: Math.floor(h * devicePixelRatio) };
    }
  };
