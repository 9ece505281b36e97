// SPDX-License-Identifier: Apache-2.0
// Hands a page's passkey form to django-allauth's own script. Without JavaScript the form stays hidden, and the page
// offers a password and a code.
(function () {
  'use strict'
  const starts = {
    create: (ids) => window.allauth.webauthn.forms.signupForm({ ids: { ...ids, signup: ids.button } }),
    confirm: (ids) => window.allauth.webauthn.forms.authenticateForm({ ids: { ...ids, authenticate: ids.button } }),
    'sign-in': (ids) => window.allauth.webauthn.forms.loginForm({ ids: { ...ids, login: ids.button } })
  }
  const said = document.getElementById('passkey-problem')
  document.addEventListener('allauth.error', function (event) {
    event.preventDefault()
    const name = event.detail.exception && event.detail.exception.name
    said.hidden = false
    said.querySelector('p').textContent = name === 'InvalidStateError'
      ? 'This device holds a passkey for you already.'
      : 'The passkey did not answer, or was put aside. Try again.'
  })
  document.querySelectorAll('[data-passkey]').forEach(function (part) {
    if (!window.PublicKeyCredential) return
    starts[part.dataset.passkey]({ button: 'passkey-button', credential: 'passkey-credential', data: 'passkey-challenge' })
    part.hidden = false
  })
})()
