//! TLS with servers whose own certificate the user trusts.
//!
//! A private registry often shows one certificate that it signed itself, marked as an authority: that is what `openssl req
//! -x509` makes. As an authority it may not stand for a server, so the usual rules refuse it, although the user put that
//! very certificate where trusted ones lie. It is accepted here if it is one of those byte for byte, is in its time, and
//! has the server's name; everything else goes by the usual rules.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use ureq::tls::Certificate;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::error::{Error, Kind};

/// Settings for a server whose authorities the user named.
pub(super) fn config<'a>(
    authorities: impl Iterator<Item = &'a Certificate<'static>>,
    pinned: &[Certificate<'static>],
    client: Option<(&[Certificate<'static>], &[u8])>,
) -> Result<Arc<ClientConfig>, Error> {
    let bad = |what: &str| Error::new(Kind::Config, what.to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.map(|certificate| CertificateDer::from(certificate.der())));
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|_| bad("no certificate of an authority can be used"))?;
    let pinned = pinned.iter().map(|certificate| certificate.der().to_vec()).collect();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| bad("this program's cryptography has no version of TLS"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { usual, pinned }));
    let Some((chain, key)) = client else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
    let key =
        PrivateKeyDer::try_from(key.to_vec()).map_err(|_| bad("a client's private key does not read"))?;
    let config = builder.with_client_auth_cert(chain, key);
    config.map(Arc::new).map_err(|_| bad("a client's certificate and key do not fit together"))
}

#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    pinned: Vec<Vec<u8>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = match self.usual.verify_server_cert(server, intermediates, name, ocsp, now) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        // Its time is looked at before its kind, so that this error alone says that the rest is in order.
        let authority = matches!(&refused, rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity"));
        if !authority || !self.pinned.iter().any(|pinned| pinned == server.as_ref()) {
            return Err(refused);
        }
        rustls::client::verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Encrypts connections with such settings; without them the next in the chain does.
#[derive(Debug)]
pub(super) struct Secure(pub(super) Option<Arc<ClientConfig>>);

impl<In: Transport> Connector<In> for Secure {
    type Out = Either<In, SecureTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        let Some(config) = self.0.as_ref().filter(|_| details.needs_tls() && !transport.is_tls()) else {
            return Ok(Some(Either::A(transport)));
        };
        let host = details.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host)
            .map_err(|_| ureq::Error::Tls("the server's name is no name"))?
            .to_owned();
        let mut connection = ClientConnection::new(Arc::clone(config), name)?;
        let mut inner = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        inner.set_timeout(details.timeout);
        connection.complete_io(&mut inner)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(SecureTransport { buffers, stream: StreamOwned::new(connection, inner) })))
    }
}

/// An encrypted connection.
pub(super) struct SecureTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for SecureTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecureTransport").finish_non_exhaustive()
    }
}

impl Transport for SecureTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
