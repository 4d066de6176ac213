//! A transport that looks at the stop flag while it waits.

use std::io;
use std::time::{Duration, Instant};

use imgc_base::cancel::Cancel;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport, time};

/// How often a wait looks at the stop flag.
const LOOK: Duration = Duration::from_millis(250);

/// Wraps each connection.
#[derive(Debug)]
pub(super) struct Patient {
    pub(super) cancel: Cancel,
}

impl<In: Transport> Connector<In> for Patient {
    type Out = PatientTransport<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| PatientTransport { inner, cancel: self.cancel.clone() }))
    }
}

/// Waits in short parts.
#[derive(Debug)]
pub(super) struct PatientTransport<T> {
    inner: T,
    cancel: Cancel,
}

impl<T> PatientTransport<T> {
    fn check(&self) -> Result<(), ureq::Error> {
        self.cancel.check().map_err(|cancelled| ureq::Error::Io(io::Error::other(cancelled)))
    }
}

impl<T: Transport> Transport for PatientTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.check()?;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let whole = timeout.for_read();
        let start = Instant::now();
        loop {
            self.check()?;
            let left = whole.after.saturating_sub(start.elapsed());
            let part = NextTimeout {
                after: time::Duration::Exact(left.min(LOOK)),
                reason: whole.reason,
                ..NextTimeout::default()
            };
            match self.inner.await_input(part) {
                Err(ureq::Error::Timeout(_)) if left > LOOK => {}
                other => return other,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Claims to be encrypted, so that tests can script `https` addresses in the clear.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub(super) struct Pretend;

#[cfg(any(test, feature = "testing"))]
impl<In: Transport> Connector<In> for Pretend {
    type Out = PretendTransport<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| PretendTransport { inner, tls: details.needs_tls() }))
    }
}

/// See [`Pretend`].
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub(super) struct PretendTransport<T> {
    inner: T,
    tls: bool,
}

#[cfg(any(test, feature = "testing"))]
impl<T: Transport> Transport for PretendTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.tls
    }
}
