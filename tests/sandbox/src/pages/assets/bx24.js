/* The sandbox's stand-in for the portal's frame library. Written from the wire format alone:
 *   window.name of the frame      host|0 or 1|APP_SID
 *   frame → portal                command:JSON(params):callbackId:appSid   (params or callbackId are left out when absent)
 *                                 or {method, params, callback, appSid} when the command's name holds a colon
 *   portal → frame                callbackId:JSON(result)
 * Outside a portal's frame BX24.init never calls back, as in life. */
(function () {
  "use strict";
  if (window.BX24) return;

  var parts = String(window.name || "").split("|");
  var framed = window.parent !== window && parts.length === 3 && parts[0] !== "" && /^[01]$/.test(parts[1]) && parts[2] !== "";
  var host = framed ? parts[0].replace(parts[1] === "1" ? /:443$/ : /:80$/, "") : "";
  var origin = framed ? (parts[1] === "1" ? "https://" : "http://") + host : "";
  var appSid = framed ? parts[2] : "";

  var callbacks = {};
  var lasting = {};
  var lastId = 0;
  var initData = null;
  var waiting = [];
  var asked = false;

  function isFunction(value) {
    return typeof value === "function";
  }

  function remember(callback, stays) {
    if (!isFunction(callback)) return "";
    lastId += 1;
    var id = "cb" + lastId.toString(36) + Math.random().toString(36).slice(2, 8);
    callbacks[id] = callback;
    if (stays) lasting[id] = true;
    return id;
  }

  function isEmpty(params) {
    return params === undefined || params === null || params === "" || (typeof params === "object" && Object.keys(params).length === 0);
  }

  function send(command, params, callback, stays) {
    if (!framed) return;
    var id = remember(callback, stays);
    if (command.indexOf(":") >= 0) {
      window.parent.postMessage({ method: command, params: isEmpty(params) ? "" : params, callback: id, appSid: appSid }, origin);
      return;
    }
    var pieces = [command];
    if (!isEmpty(params)) pieces.push(JSON.stringify(params));
    if (id) pieces.push(id);
    pieces.push(appSid);
    window.parent.postMessage(pieces.join(":"), origin);
  }

  window.addEventListener("message", function (event) {
    if (!framed || event.source !== window.parent || event.origin !== origin || typeof event.data !== "string") return;
    var colon = event.data.indexOf(":");
    var id = colon < 0 ? event.data : event.data.slice(0, colon);
    var callback = Object.prototype.hasOwnProperty.call(callbacks, id) ? callbacks[id] : null;
    if (!callback) return;
    var result;
    try {
      result = colon < 0 || colon === event.data.length - 1 ? undefined : JSON.parse(event.data.slice(colon + 1));
    } catch (error) {
      return;
    }
    if (!lasting[id]) delete callbacks[id];
    callback(result);
  });

  function whenDom(callback) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", callback, { once: true });
    else setTimeout(callback, 0);
  }

  function keepAuth(data) {
    initData.AUTH_ID = data.AUTH_ID;
    initData.REFRESH_ID = data.REFRESH_ID;
    initData.AUTH_EXPIRES = Date.now() + Number(data.AUTH_EXPIRES || 0) * 1000;
  }

  function auth() {
    if (!initData || !initData.AUTH_ID || initData.AUTH_EXPIRES <= Date.now()) return false;
    return {
      access_token: initData.AUTH_ID,
      refresh_token: initData.REFRESH_ID,
      expires_in: initData.AUTH_EXPIRES,
      domain: initData.DOMAIN,
      member_id: initData.MEMBER_ID,
    };
  }

  // An object, or the text of one, as the form's field carries it.
  function placementOptions(given) {
    if (typeof given !== "string") return given || {};
    try {
      return JSON.parse(given) || {};
    } catch (error) {
      return {};
    }
  }

  function started(data) {
    if (!data || initData) return;
    initData = data;
    initData.USER_OPTIONS = data.USER_OPTIONS || {};
    initData.APP_OPTIONS = data.APP_OPTIONS || {};
    initData.PLACEMENT_OPTIONS = placementOptions(data.PLACEMENT_OPTIONS);
    keepAuth(data);
    if (data.INSTALL && isFunction(BX24.install.handler)) BX24.install.handler();
    waiting.splice(0).forEach(function (callback) {
      callback();
    });
  }

  function own(object, key) {
    return object && Object.prototype.hasOwnProperty.call(object, key) ? object[key] : undefined;
  }

  function optionsOf(command, store) {
    return {
      get: function (name) {
        return initData ? own(initData[store], name) : undefined;
      },
      set: function (name, value, callback) {
        if (!initData) return;
        if (value === null) delete initData[store][name];
        else initData[store][name] = value;
        send(command, { name: name, value: value }, callback);
      },
    };
  }

  function size() {
    var body = document.body;
    var root = document.documentElement;
    return {
      scrollWidth: Math.max(body ? body.scrollWidth : 0, root.scrollWidth),
      scrollHeight: Math.max(body ? body.scrollHeight : 0, body ? body.offsetHeight : 0),
      innerWidth: window.innerWidth,
      innerHeight: window.innerHeight,
    };
  }

  var BX24 = {
    init: function (callback) {
      if (initData) {
        if (isFunction(callback)) setTimeout(callback, 0);
        return;
      }
      if (isFunction(callback)) waiting.push(callback);
      if (asked || !framed) return;
      asked = true;
      whenDom(function () {
        send("getInitData", null, started);
      });
    },
    ready: function (callback) {
      if (isFunction(callback)) whenDom(callback);
    },
    install: function (callback) {
      BX24.install.handler = callback;
      BX24.init();
    },
    installFinish: function () {
      send("setInstallFinish", {});
    },
    getAuth: auth,
    refreshAuth: function (callback) {
      send("refreshAuth", null, function (data) {
        if (data && data.AUTH_ID && initData) keepAuth(data);
        if (isFunction(callback)) callback(auth());
      });
    },
    isAdmin: function () {
      return Boolean(initData && initData.IS_ADMIN);
    },
    getLang: function () {
      return initData ? initData.LANG : undefined;
    },
    getDomain: function (withProtocol) {
      if (!framed) return undefined;
      return withProtocol ? origin : host;
    },
    getScrollSize: size,
    resizeWindow: function (width, height, callback) {
      if (Number(height) > 0) send("resizeWindow", { width: width, height: height }, callback);
    },
    fitWindow: function (callback) {
      send("resizeWindow", { width: "100%", height: size().scrollHeight }, callback);
    },
    scrollParentWindow: function (scroll, callback) {
      send("setScroll", { scroll: scroll }, callback);
    },
    setTitle: function (title, callback) {
      send("setTitle", { title: String(title) }, callback);
    },
    reloadWindow: function (callback) {
      send("reloadWindow", null, callback);
    },
    openApplication: function (params, callback) {
      send("openApplication", params, callback);
    },
    closeApplication: function (callback) {
      send("closeApplication", null, callback);
    },
    openPath: function (path, callback) {
      send("openPath", { path: path }, callback);
    },
    selectUser: function (title, callback) {
      var done = isFunction(title) ? title : callback;
      send("selectUser", { mult: false, title: isFunction(title) ? "" : title }, done);
    },
    selectUsers: function (title, callback) {
      var done = isFunction(title) ? title : callback;
      send("selectUser", { mult: true, title: isFunction(title) ? "" : title }, done);
    },
    im: {
      openMessenger: function (dialogId) {
        send("imOpenMessenger", { dialogId: dialogId });
      },
      openHistory: function (dialogId) {
        send("imOpenHistory", { dialogId: dialogId });
      },
      callTo: function (userId, video) {
        send("imCallTo", { userId: userId, video: Boolean(video) });
      },
      phoneTo: function (phone) {
        send("imPhoneTo", { phone: phone });
      },
    },
    placement: {
      info: function () {
        return initData ? { placement: initData.PLACEMENT || "DEFAULT", options: initData.PLACEMENT_OPTIONS || {} } : undefined;
      },
      getInterface: function (callback) {
        send("getInterface", null, callback);
      },
      call: function (command, params, callback) {
        var bare = isFunction(params);
        send(String(command), bare ? null : params, bare ? params : callback);
      },
      bindEvent: function (event, callback) {
        send("placementBindEvent", { event: event }, callback, true);
      },
    },
    userOption: optionsOf("setUserOption", "USER_OPTIONS"),
    appOption: optionsOf("setAppOption", "APP_OPTIONS"),
  };

  window.BX24 = BX24;
})();
