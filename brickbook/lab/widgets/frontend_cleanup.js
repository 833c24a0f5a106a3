// Takes closed widgets off their connections, so that a page can forget them.
// JupyterLab 4.6 listens for restarts of the kernel once a connection, and goes on when that is
// closed: the listener holds the connection, that the model, and the model its values and views.

const nothing = () => {};

// The models that are open now; another may be closed already, or never have come to this page.
function open(manager, ids) {
  return ids.map((id) => Promise.resolve(manager.get_model(id)).catch(() => null));
}

function letGo(model) {
  const { comm } = model ?? {};
  if (!comm) return;
  model.once("destroy", () => {
    comm.on_msg(nothing);
    comm.on_close(nothing);
  });
}

export default {
  initialize({ model }) {
    const release = ({ closing }) => {
      const manager = model.widget_manager;
      if (!closing || !manager) return undefined;
      return Promise.all(open(manager, closing).map((found) => found.then(letGo)));
    };
    model.on("msg:custom", release);
    return () => model.off("msg:custom", release);
  },
};
