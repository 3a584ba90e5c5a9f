// Runs before the others: says so when one of the parts of the page cannot be loaded.
addEventListener(
  'error',
  (event) => {
    // An error of a script that runs has no element.
    if (!(event.target instanceof HTMLScriptElement)) return
    const state = document.getElementById('loading-state')
    if (state === null) return
    state.textContent = `A part of this page cannot be loaded (${event.target.getAttribute('src')}). Reload it when the service responds.`
    state.className = 'fault'
  },
  true,
)
