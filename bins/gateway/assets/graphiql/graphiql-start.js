// Starts GraphiQL for Anima: takes the token from the address, sends it with every request, and
// offers the example queries. A file of its own because the content security policy allows no
// inline script. Everything is addressed relative to the page, so a path prefix of a reverse proxy
// does no harm.
"use strict";

(() => {
  const TOKEN_KEY = "anima.token";
  const byId = (id) => document.getElementById(id);
  const endpoint = new URL("graphql", location.href);
  const socketEndpoint = new URL(endpoint);
  socketEndpoint.protocol = location.protocol === "https:" ? "wss:" : "ws:";

  const root = ReactDOM.createRoot(byId("anima-graphiql"));
  const state = { token: takeToken(), example: null, mount: 0, socket: null };

  start();

  /** The token of `#token=…` or of this tab's session. The fragment leaves the address bar at once. */
  function takeToken() {
    const fragment = new URLSearchParams(location.hash.slice(1));
    const given = fragment.get("token");
    if (given !== null) {
      sessionStorage.setItem(TOKEN_KEY, given.trim());
      fragment.delete("token");
      const rest = fragment.toString();
      const address = location.pathname + location.search + (rest && `#${rest}`);
      history.replaceState(history.state, "", address);
    }
    return sessionStorage.getItem(TOKEN_KEY) || null;
  }

  async function start() {
    const examples = await loadExamples();
    byId("anima-example").append(
      ...examples.map(({ name }, index) => new Option(name, String(index))),
    );
    byId("anima-example").addEventListener("change", (event) => {
      if (event.target.value === "") return;
      state.example = examples[Number(event.target.value)];
      event.target.value = "";
      render();
    });
    byId("anima-token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      useToken(byId("anima-token").value.trim() || null);
    });
    byId("anima-token-forget").addEventListener("click", () => useToken(null));
    // A link with another token, opened in this tab, changes only the fragment: no page load.
    addEventListener("hashchange", () => {
      if (new URLSearchParams(location.hash.slice(1)).has("token")) useToken(takeToken());
    });
    state.defaultQuery = examples[0]?.query;
    state.defaultVariables = variablesOf(examples[0]);
    useToken(state.token);
  }

  async function loadExamples() {
    try {
      const response = await fetch("graphiql/examples.json");
      if (!response.ok) throw new Error(`status ${response.status}`);
      return await response.json();
    } catch (error) {
      notice(`The example queries could not be loaded (${error.message}).`);
      return [];
    }
  }

  function variablesOf(example) {
    return example?.variables ? JSON.stringify(example.variables, null, 2) : undefined;
  }

  function useToken(token) {
    state.token = token;
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    else sessionStorage.removeItem(TOKEN_KEY);
    byId("anima-token").value = "";
    byId("anima-token-form").hidden = Boolean(token);
    byId("anima-signed-in").hidden = !token;
    // The look-up prefix names the token without giving it away.
    byId("anima-token-prefix").textContent = token ? `token ${token.slice(0, 14)}…` : "";
    notice(
      token
        ? null
        : "No token yet: paste an API key above. On the machine of the gateway, " +
            "`anima-gateway token create --user admin --name graphiql` prints one.",
    );
    openSocket();
    render();
  }

  function refuseToken() {
    byId("anima-token-form").hidden = false;
    byId("anima-signed-in").hidden = !state.token;
    notice(
      state.token
        ? "The server refused this token: it is mistyped, expired or revoked. Paste another above, " +
            "or make one with `anima-gateway token create --user admin --name graphiql`."
        : "This needs a token: paste an API key above.",
    );
  }

  function notice(text) {
    byId("anima-notice").textContent = text ?? "";
    byId("anima-notice").hidden = !text;
  }

  function openSocket() {
    state.socket?.dispose();
    state.socket = graphqlWs.createClient({
      url: socketEndpoint.href,
      connectionParams: () => (state.token ? { authorization: `Bearer ${state.token}` } : {}),
      shouldRetry: (event) => !(event.code >= 4400 && event.code < 4500),
      on: {
        closed: (event) => {
          if (event.code === 4401 || event.code === 4403) refuseToken();
        },
      },
    });
  }

  /** `fetch` with the token, unless the headers editor names one, and a word when it is refused. */
  async function authorizedFetch(url, init) {
    const headers = new Headers(init.headers);
    headers.set("accept", "application/graphql-response+json, application/json");
    const ours = Boolean(state.token) && !headers.has("authorization");
    if (ours) headers.set("authorization", `Bearer ${state.token}`);
    const response = await fetch(url, { ...init, headers, credentials: "omit" });
    const body = await response.text();
    let result;
    try {
      result = JSON.parse(body);
    } catch {
      // The gateway answers JSON; a proxy in between may not.
      result = { errors: [{ message: `status ${response.status}: ${body.slice(0, 200)}` }] };
    }
    const codes = (result.errors ?? []).map((error) => error.extensions?.code);
    if (response.status === 401 || codes.includes("UNAUTHENTICATED")) refuseToken();
    return { json: async () => result };
  }

  /**
   * A new key mounts GraphiQL anew. It keeps its tabs in the browser's storage, and opens a given
   * `query` in the tab that has it already or in a new one: just what choosing an example should do.
   */
  function render() {
    state.mount += 1;
    const { example } = state;
    state.example = null;
    const given = example ? { query: example.query, variables: variablesOf(example) ?? "" } : {};
    root.render(
      React.createElement(GraphiQL, {
        key: state.mount,
        fetcher: GraphiQL.createFetcher({
          url: endpoint.href,
          fetch: authorizedFetch,
          wsClient: state.socket,
          // The server sends no multipart answers.
          enableIncrementalDelivery: false,
        }),
        defaultQuery: state.defaultQuery,
        defaultTabs: state.defaultQuery
          ? [{ query: state.defaultQuery, variables: state.defaultVariables }]
          : undefined,
        defaultEditorToolsVisibility: true,
        isHeadersEditorEnabled: true,
        shouldPersistHeaders: false,
        inputValueDeprecation: true,
        schemaDescription: true,
        ...given,
      }),
    );
  }
})();
