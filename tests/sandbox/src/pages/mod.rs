//! The sandbox's pages: the portal's shell, the phone, and the stand-in of the frame script.

use actix_web::web;

/// Routes of a portal listener: `/`, `/phone`, static files.
pub fn configure_portal(_cfg: &mut web::ServiceConfig) {}

/// Routes of the cloud listener: the frame script `/api/v1/`.
pub fn configure_cloud(_cfg: &mut web::ServiceConfig) {}
