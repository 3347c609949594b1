/* SPDX-License-Identifier: MIT
 * tls_error.c: see tls_error.h. Names in certificates are untrusted: control
 * characters are escaped, and long names are cut. */
#include "openssl/tls_error.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/err.h"

/* The most of a name that is shown. */
#define NAME_SIZE 64

/* What is written to `bio`, as a string. Frees it. */
static const char *shown(BIO *bio, char *text, size_t size) {
  int n = bio ? BIO_read(bio, text, (int)size - 1) : 0;
  text[n > 0 ? n : 0] = '\0';
  BIO_free(bio);
  return text;
}

static const char *name_text(const X509_NAME *name, char *text, size_t size) {
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio && name) X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
  return shown(bio, text, size);
}

static const char *time_text(const ASN1_TIME *time, char *text, size_t size) {
  struct tm at;
  if (!time || !ASN1_TIME_to_tm(time, &at)) {
    snprintf(text, size, "?");
  } else {
    snprintf(text, size, "%04d-%02d-%02d %02d:%02d UTC", at.tm_year + 1900,
             at.tm_mon + 1, at.tm_mday, at.tm_hour, at.tm_min);
  }
  return text;
}

/* The first name that a certificate is for. */
static const char *host_text(X509 *cert, char *text, size_t size) {
  GENERAL_NAMES *names =
      X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  const GENERAL_NAME *name =
      sk_GENERAL_NAME_num(names) > 0 ? sk_GENERAL_NAME_value(names, 0) : NULL;
  BIO *bio = name ? BIO_new(BIO_s_mem()) : NULL;
  if (name && bio && name->type == GEN_DNS) {
    ASN1_STRING_print_ex(bio, name->d.dNSName, ASN1_STRFLGS_RFC2253);
  } else if (name && bio) {
    GENERAL_NAME_print(bio, (GENERAL_NAME *)name);
  }
  GENERAL_NAMES_free(names);
  shown(bio, text, size);
  if (!text[0]) snprintf(text, size, "no host");
  return text;
}

static int verify_code(long result) {
  switch (result) {
  case X509_V_ERR_CERT_HAS_EXPIRED: return MCP_ETLSEXPIRED;
  case X509_V_ERR_CERT_NOT_YET_VALID: return MCP_ETLSEARLY;
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH: return MCP_ETLSHOST;
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_CERT_UNTRUSTED: return MCP_ETLSISSUER;
  case X509_V_ERR_OUT_OF_MEM: return MCP_ENOMEM;
  default: return MCP_ETLSCERT;
  }
}

int mcp_tls_error_verify(int ok, X509_STORE_CTX *chain) {
  SSL *ssl =
      X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
  mcp_tls_wire_t *wire = ssl ? SSL_get_app_data(ssl) : NULL;
  X509 *cert = X509_STORE_CTX_get_current_cert(chain);
  char name[NAME_SIZE], more[NAME_SIZE];
  int error = X509_STORE_CTX_get_error(chain);
  if (ok || !wire || !cert) return ok;
  name_text(X509_get_subject_name(cert), name, sizeof name);
  switch (verify_code(error)) {
  case MCP_ETLSEXPIRED:
    snprintf(wire->reason, sizeof wire->reason,
             "the certificate of %s expired on %s", name,
             time_text(X509_get0_notAfter(cert), more, sizeof more));
    break;
  case MCP_ETLSEARLY:
    snprintf(wire->reason, sizeof wire->reason,
             "the certificate of %s is not valid before %s", name,
             time_text(X509_get0_notBefore(cert), more, sizeof more));
    break;
  case MCP_ETLSHOST: {
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(chain);
    const char *host = X509_VERIFY_PARAM_get0_host(param, 0);
    char *address = host ? NULL : X509_VERIFY_PARAM_get1_ip_asc(param);
    snprintf(wire->reason, sizeof wire->reason,
             "the certificate is for %s, not for %.64s",
             host_text(cert, more, sizeof more),
             host      ? host
             : address ? address
                       : "the address");
    OPENSSL_free(address);
    break;
  }
  case MCP_ETLSISSUER:
    snprintf(wire->reason, sizeof wire->reason,
             "the certificate of %s is from an unknown issuer: %s", name,
             name_text(X509_get_issuer_name(cert), more, sizeof more));
    break;
  default:
    snprintf(wire->reason, sizeof wire->reason, "the certificate of %s: %s",
             name, X509_verify_cert_error_string(error));
    break;
  }
  return ok;
}

static int alert_code(int alert, mcp_tls_wire_t *wire) {
  switch (alert) {
  case SSL_AD_PROTOCOL_VERSION: return MCP_ETLSVERSION;
  case TLS13_AD_CERTIFICATE_REQUIRED: return MCP_ETLSMISSING;
  default:
    snprintf(wire->reason, sizeof wire->reason,
             "the peer aborted the TLS connection: %s",
             SSL_alert_desc_string_long(alert));
    return MCP_ETLSREFUSED;
  }
}

/* Of the first error in OpenSSL's queue, which is the cause of the others. */
static int queued_code(SSL *ssl, mcp_tls_wire_t *wire) {
  unsigned long error = ERR_peek_error();
  int number = ERR_GET_REASON(error);
  const char *text = ERR_reason_error_string(error);
  long result;
  if (wire->code < 0) return wire->code;
  if (number == ERR_R_MALLOC_FAILURE) return MCP_ENOMEM;
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    if (number > SSL_AD_REASON_OFFSET)
      return alert_code(number - SSL_AD_REASON_OFFSET, wire);
    switch (number) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      result = SSL_get_verify_result(ssl);
      return verify_code(result);
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return MCP_ETLSMISSING;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNKNOWN_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE: return MCP_ETLSVERSION;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return MCP_ETLSPLAIN;
    default: break;
    }
  }
  if (text) snprintf(wire->reason, sizeof wire->reason, "TLS error: %s", text);
  return MCP_ETLS;
}

int mcp_tls_error_code(SSL *ssl, int result, mcp_tls_wire_t *wire) {
  int code;
  switch (SSL_get_error(ssl, result)) {
  case SSL_ERROR_WANT_READ: return 0;
  case SSL_ERROR_ZERO_RETURN: return MCP_TLS_END;
  default: code = queued_code(ssl, wire); break;
  }
  ERR_clear_error();
  return code;
}
