package org.jenkinsci.plugins.credentialsbinding.impl

/** What the plugin credentials-binding throws, for a credential that is not there and for one of another kind. */
class CredentialNotFoundException extends Failed {
    CredentialNotFoundException(String message) { super(message) }
}
